/* SPDX-License-Identifier: Apache-2.0 */
#include "named_spec.h"

#include <dirent.h>
#include <string.h>

#include "base/text.h"
#include "fail.h"
#include "spec/spec.h"

static const char *const endings[] = {".json", ".yaml"};

ExitStatus named_spec_find(const Cli *cli, const char *name, char **ret)
{
        _cleanup_free_ char *found = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
                _cleanup_free_ char *path = text_format(NAMED_SPECS "/%s%s", name, endings[i]);

                if (!path)
                        return fail_memory(cli);
                if (access(path, F_OK) < 0) {
                        if (errno != ENOENT && errno != ENOTDIR)
                                return fail_file_error(cli, path, -errno, "cannot read the spec");
                        continue;
                }
                if (found)
                        return fail_file(cli, path, 0,
                                         "there is also %s: remove one of them, or give one with "
                                         "--file",
                                         found);
                found = TAKE_PTR(path);
        }
        if (!found) {
                fail_local(cli,
                           "'%s' has no spec: neither %s.json nor %s.yaml is in " NAMED_SPECS
                           "; give one with --file, or launch with --defaults",
                           name, name, name);
                return exit_status(EXIT_NOT_FOUND);
        }
        *ret = TAKE_PTR(found);
        return EXIT_OK;
}

void named_spec_each(void (*take)(void *userdata, const char *name), void *userdata)
{
        DIR *directory = opendir(NAMED_SPECS);
        const struct dirent *entry;

        while (directory && (entry = readdir(directory))) {
                for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
                        _cleanup_free_ char *name = NULL;

                        if (!text_has_suffix(entry->d_name, endings[i]))
                                continue;
                        name = strndup(entry->d_name, strlen(entry->d_name) - strlen(endings[i]));
                        if (name && spec_name_is_valid(name))
                                take(userdata, name);
                }
        }
        if (directory)
                closedir(directory);
}
