/* SPDX-License-Identifier: Apache-2.0 */
/* From the files of a directory to a set that has been checked. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "template/template_internal.h"

#define TEMPLATE_BYTES_MAX (1u << 20)

static bool is_template_file(const char *name)
{
        return name[0] != '.' && (text_has_suffix(name, ".json") ||
                                  (domain_is_built() && text_has_suffix(name, ".xml")));
}

/* Reads a file of the directory. A daemon of root's runs what it says, so nobody else may have
 * written it. */
static int read_template(const char *path, char **ret, size_t *ret_size, CvmError *error)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return cvm_error_system(error, -errno, "read template %s", path);
        if (!S_ISREG(st.st_mode))
                return cvm_error_system(error, -EINVAL,
                                        "read template %s, which is not a regular file", path);
        if (geteuid() == 0 && (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH))))
                return cvm_error_system(
                        error, -EPERM,
                        "read template %s, which must belong to root and be writable only by root",
                        path);
        r = fd_read_all(fd, TEMPLATE_BYTES_MAX, ret, ret_size);
        return r < 0 ? cvm_error_system(error, r, "read template %s", path) : 0;
}

static int load_directory(TemplateSet *set, const char *directory, CvmError *error)
{
        struct dirent *entry;
        DIR *dir = opendir(directory);
        int r = 0;

        if (!dir && errno == ENOENT)
                return 0;
        if (!dir)
                return cvm_error_system(error, -errno, "open directory %s", directory);
        while (r == 0 && (entry = readdir(dir))) {
                _cleanup_free_ char *path = NULL, *text = NULL;
                size_t size;

                if (!is_template_file(entry->d_name))
                        continue;
                path = text_format("%s/%s", directory, entry->d_name);
                if (!path) {
                        r = cvm_error_system(error, -ENOMEM, "read templates");
                        break;
                }
                r = read_template(path, &text, &size, error);
                if (r == 0)
                        r = template_set_add_file(set, entry->d_name, path, text, size, error);
        }
        closedir(dir);
        return r;
}

int template_set_load(const char *directory, TemplateSet **ret, CvmError *error)
{
        _cleanup_(template_set_freep) TemplateSet *set = template_set_new();
        int r;

        if (!set)
                return cvm_error_system(error, -ENOMEM, "read templates");
        r = template_set_add_builtin(set, error);
        if (r == 0 && directory)
                r = load_directory(set, directory, error);
        if (r == 0)
                r = template_set_check_domains(set, error);
        if (r == 0 && template_set_domains_are_used(set))
                r = template_set_load_domains(set, error);
        if (r == 0)
                r = template_set_check(set, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(set);
        return 0;
}
