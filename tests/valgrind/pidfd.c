/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Preloaded under valgrind, which does not know pidfd_send_signal(2): the same by kill(2), with the
 * pid that /proc says the descriptor stands for. Good for tests only: the pid is not pinned.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned int flags)
{
        char path[64], line[128];
        pid_t pid = -1;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                sscanf(line, "Pid: %d", &pid);
        if (file)
                fclose(file);
        if (pid <= 0) {
                errno = ESRCH; /* -1: it has been collected */
                return -1;
        }
        return kill(pid, signal);
}
