/* SPDX-License-Identifier: Apache-2.0 */
#include "base/child_setup.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/syscall.h>

void child_setup_signals(void)
{
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

int child_setup_ids(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups)
{
        return syscall(SYS_setgroups, n_groups, groups) < 0 ||
                               syscall(SYS_setresgid, gid, gid, gid) < 0 ||
                               syscall(SYS_setresuid, uid, uid, uid) < 0
                       ? -errno
                       : 0;
}

int child_setup_capabilities(uint32_t kept)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0].permitted &= kept;
        data[0].effective = data[0].permitted;
        data[0].inheritable = 0;
        data[1] = (struct __user_cap_data_struct){};
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
