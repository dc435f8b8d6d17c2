/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Preloaded under valgrind, for what it does not know. Good for tests only.
 *
 * pidfd_send_signal(2): the same by kill(2), with the pid that /proc says the descriptor stands
 * for. The pid is not pinned.
 *
 * A process that shares the table of descriptors alone (base/fork.h): valgrind ends the program
 * that makes one. It gets a copy of the table instead.
 */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>

/* In the place of libc's. */
long syscall(long number, ...)
{
        long arguments[6], result;
        va_list list;

        va_start(list, number);
        for (int i = 0; i < 6; i++)
                arguments[i] = va_arg(list, long);
        va_end(list);
        if (number == SYS_clone && !(arguments[0] & CLONE_VM))
                arguments[0] &= ~(long)CLONE_FILES;

        register long r10 __asm__("r10") = arguments[3];
        register long r8 __asm__("r8") = arguments[4];
        register long r9 __asm__("r9") = arguments[5];

        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(number), "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]),
                           "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
        if (result < 0 && result > -4096) {
                errno = (int)-result;
                return -1;
        }
        return result;
}

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
