/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"
#include "host/host_internal.h"

const char *host_find_nft(const char *root)
{
        static const char *const paths[] = {"/usr/sbin/nft", "/usr/bin/nft", "/sbin/nft"};

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                if (host_file_exists(root, paths[i]))
                        return paths[i];
        return NULL;
}

int host_check_program(const char *name, const char *path, const char *package, HostCheck *ret)
{
        _cleanup_(host_check_done) HostCheck check = {.name = strdup(name)};
        _cleanup_free_ char *fix = NULL;
        bool passed = path && access(path, X_OK) == 0;
        int r;

        if (!check.name)
                return -ENOMEM;
        check.needed = text_format("the program %s, from package %s", name, package);
        if (!check.needed) {
                return -ENOMEM;
        }
        if (!passed && !(fix = text_format("install the package %s, or set the program's path in "
                                           "cvmd.conf (programs.%s)",
                                           package, name)))
                return -ENOMEM;
        r = host_verdict(&check, fix, "%s%s",
                         path ?: "executable not found in /usr/bin or /usr/local/bin",
                         path && !passed ? ", which cannot be executed" : "");
        if (r < 0)
                return r;
        *ret = TAKE_STRUCT(check);
        return 0;
}
