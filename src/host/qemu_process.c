/* SPDX-License-Identifier: Apache-2.0 */

/* The process of a probe: a QEMU without a machine, without rights, for a moment. */

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/child_setup.h"
#include "base/fork.h"
#include "base/memfd.h"
#include "host/qemu_internal.h"

#define SOCKET_NUMBER 3 /* in QEMU */
#define NOBODY 65534u
#define END_MSEC 2000
#define OUTPUT_MAX 512

/* Only async-signal-safe calls here (signal-safety(7)): the caller may have threads. */
static void qemu_process_child_run(char *const *argv, int socket_fd, int output_fd)
{
        static const struct rlimit no_core = {0, 0}, output = {1 << 20, 1 << 20};
        char path[] = "PATH=/usr/bin:/bin", lang[] = "LANG=C.UTF-8";
        char *const environment[] = {path, lang, NULL};
        int null;

        child_setup_signals();
        setsid();
        /* both above all targets first, so that none overwrites a source */
        socket_fd = fcntl(socket_fd, F_DUPFD_CLOEXEC, SOCKET_NUMBER + 1);
        output_fd = fcntl(output_fd, F_DUPFD_CLOEXEC, SOCKET_NUMBER + 1);
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (socket_fd < 0 || output_fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
            dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0 ||
            dup2(socket_fd, SOCKET_NUMBER) < 0 ||
            syscall(SYS_close_range, SOCKET_NUMBER + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                _exit(126);
        setrlimit(RLIMIT_CORE, &no_core);
        setrlimit(RLIMIT_FSIZE, &output);
        if (chdir("/") < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(126);
        if (geteuid() == 0 && child_setup_ids(NOBODY, NOBODY, NULL, 0) < 0)
                _exit(126);
        if (fork_end_with_parent() < 0)
                _exit(126);
        execve(argv[0], argv, environment);
        dprintf(STDERR_FILENO, "cannot be started: %s\n", strerrordesc_np(errno) ?: "?");
        _exit(127);
}

int qemu_process_start(const char *path, QemuProcess *ret)
{
        static const char chardev[] = "socket,id=qmp,fd=3";
        char *const argv[] = {
                (char *)path,
                (char *)"-machine",
                (char *)"none",
                (char *)"-S",
                (char *)"-display",
                (char *)"none",
                (char *)"-nodefaults",
                (char *)"-no-user-config",
                (char *)"-chardev",
                (char *)chardev,
                (char *)"-mon",
                (char *)"chardev=qmp,mode=control",
                NULL,
        };
        _cleanup_close_ int output_fd = memfd_new("qemu-probe"), ours = -1, its = -1;
        int pair[2], fds[2];
        pid_t pid;

        if (output_fd < 0)
                return output_fd;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        its = pair[1];
        fds[0] = its;
        fds[1] = output_fd;
        pid = fork_bare(fds, ARRAY_SIZE(fds), SIGCHLD, NULL);
        if (pid < 0)
                return pid;
        if (pid == 0)
                qemu_process_child_run(argv, fds[0], fds[1]);
        *ret = (QemuProcess){pid, TAKE_FD(ours), TAKE_FD(output_fd)};
        return 0;
}

/* Waits for its end for a while. */
static bool qemu_process_reap(pid_t pid, unsigned msec)
{
        const struct timespec pause = {.tv_nsec = 5000000};

        for (unsigned waited = 0; waited < msec; waited += 5) {
                pid_t r = waitpid(pid, NULL, WNOHANG);

                if (r == pid || (r < 0 && errno == ECHILD))
                        return true;
                nanosleep(&pause, NULL);
        }
        return false;
}

static char *qemu_process_last_words(int fd)
{
        char text[OUTPUT_MAX + 1];
        off_t size = lseek(fd, 0, SEEK_END);
        ssize_t n = pread(fd, text, OUTPUT_MAX, size > OUTPUT_MAX ? size - OUTPUT_MAX : 0);

        if (n <= 0)
                return NULL;
        while (n > 0 && text[n - 1] == '\n')
                n--;
        text[n] = 0;
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
                        *p = ' ';
        return n > 0 ? strdup(text) : NULL;
}

void qemu_process_end(QemuProcess *process, bool at_once, char **ret_output)
{
        closep(&process->socket);
        if (at_once || !qemu_process_reap(process->pid, END_MSEC)) {
                kill(process->pid, SIGKILL); /* our own child, not reaped yet: the pid is its */
                while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        *ret_output = qemu_process_last_words(process->output_fd);
        closep(&process->output_fd);
        *process = (QemuProcess){.socket = -1, .output_fd = -1};
}
