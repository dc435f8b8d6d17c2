/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "log.h"

static void module_load(const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST &&
                       errno != ENODEV && errno != ENXIO))
                log_error("module %s: %s", path, strerror(errno));
}

void modules_load(void)
{
        _cleanup_free_ char *list = NULL;
        char *rest, *path;
        int r;

        r = file_read_at(AT_FDCWD, MODULE_LIST, 1 << 20, &list, NULL);
        if (r == -ENOENT) /* the kernel has all built in */
                return;
        if (r < 0) {
                log_error("%s: %s", MODULE_LIST, strerror(-r));
                return;
        }
        rest = list;
        while ((path = strsep(&rest, "\n")))
                if (*path)
                        module_load(path);
}
