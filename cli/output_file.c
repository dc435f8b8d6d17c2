/* SPDX-License-Identifier: Apache-2.0 */
#include "output_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "fail.h"
#include "output.h"

bool output_file_is_stdout(const char *path)
{
        return strcmp(path, "-") == 0;
}

static bool is_replaceable(int directory, const char *name)
{
        struct stat st;

        return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISREG(st.st_mode);
}

static mode_t output_file_default_mode(void)
{
        mode_t mask = umask(0);

        umask(mask);
        return 0666 & ~mask;
}

ExitStatus output_file_write(const Cli *cli, const char *path, const void *data, size_t size,
                             mode_t mode)
{
        const char *name = strrchr(path, '/');
        _cleanup_free_ char *directory = name ? strndup(path, (size_t)(name - path) + 1) : NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (output_file_is_stdout(path)) {
                fwrite(data, 1, size, stdout);
                r = output_finish();
                return r < 0 ? fail_output(cli, r) : EXIT_OK;
        }
        name = name ? name + 1 : path;
        fd = open(directory ?: ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : *name == 0 ? -EISDIR : 0;
        if (r == 0 && !is_replaceable(fd, name))
                return fail_file(cli, path, 0,
                                 "is not a regular file, and cvmctl does not replace it by one");
        if (r == 0)
                r = file_write_atomic_at(fd, name, data, size, mode ?: output_file_default_mode());
        return r < 0 ? fail_file_error(cli, path, r, "cannot write it") : EXIT_OK;
}

ExitStatus output_file_draw(const Cli *cli, const char *path,
                            void (*draw)(FILE *stream, const void *what), const void *what)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        bool failed;

        if (!stream)
                return fail_memory(cli);
        draw(stream, what);
        failed = ferror(stream);
        if (fclose(stream) != 0 || failed)
                return fail_memory(cli);
        return output_file_write(cli, path, text, size, 0);
}
