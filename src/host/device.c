/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "host/host_internal.h"

#define READ_WRITE 06u

int host_check_device(const char *root, const char *path, bool by_group, HostCheck *ret)
{
        _cleanup_(host_check_done) HostCheck check = {.name = strdup(path)};
        _cleanup_free_ char *fix = NULL, *full = NULL;
        struct stat st;
        bool passed;
        int r;

        if (!check.name)
                return -ENOMEM;
        full = text_format("%s%s", root, path);
        if (!full)
                return -ENOMEM;
        if (stat(full, &st) < 0)
                return errno == ENOENT ? -ENOENT : -errno;
        if (by_group)
                passed = (st.st_mode & READ_WRITE) == READ_WRITE ||
                         (st.st_gid != 0 && (st.st_mode >> 3 & READ_WRITE) == READ_WRITE);
        else
                passed = faccessat(AT_FDCWD, full, R_OK | W_OK, AT_EACCESS) == 0;
        check.needed = strdup(by_group ? "read and write for a group other than root's"
                                       : "read and write for this user");
        if (!check.needed)
                return -ENOMEM;
        if (!passed && by_group &&
            !(fix = text_format(
                      "install cvmd's udev rule (60-cvmd.rules) and run `udevadm control --reload "
                      "&& "
                      "udevadm trigger --sysname-match=%s`, or for now `chgrp kvm %s && chmod 0660 "
                      "%s`",
                      strrchr(path, '/') + 1, path, path)))
                return -ENOMEM;
        if (!passed && !by_group &&
            !(fix = text_format("add this user to the group of %s: `usermod -aG GROUP USER`",
                                path)))
                return -ENOMEM;
        r = host_verdict(&check, fix, "mode %04o, user %u, group %u", st.st_mode & 07777, st.st_uid,
                         st.st_gid);
        if (r < 0)
                return r;
        *ret = TAKE_STRUCT(check);
        return 0;
}
