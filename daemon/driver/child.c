/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/child_setup.h"
#include "base/fail_point.h"
#include "base/fork.h"

/* Between fork and exec only async-signal-safe calls are allowed (signal-safety(7)): the daemon has
 * threads. */

static void child_fail(const char *what, int error)
{
        const char *reason = strerrordesc_np(error) ?: "unknown error";

        if (write(STDERR_FILENO, what, strlen(what)) < 0 || write(STDERR_FILENO, ": ", 2) < 0 ||
            write(STDERR_FILENO, reason, strlen(reason)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
                _exit(126);
        _exit(127);
}

/* What the child is handed: descriptors that it has for itself until exec, then the output, then
 * those of the program. */
enum {
        KEPT_GO,      /* the pipe that it waits on */
        KEPT_PROGRAM, /* the program's file, or -1 */
        N_KEPT,
        OUTPUT = N_KEPT,
        N_OWN,
};

/* Moves all sources above the targets first, so that no target overwrites a source. */
static int arrange_fds(const ChildSpawn *spawn, int *fds)
{
        int last = STDERR_FILENO, above, null;

        for (size_t i = 0; i < spawn->n_fds; i++)
                if (spawn->fds[i].number > last)
                        last = spawn->fds[i].number;
        above = last + 1 + N_KEPT;
        for (size_t i = 0; i < N_OWN + spawn->n_fds; i++) {
                fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, above);
                if (fds[i] < 0 && i != KEPT_PROGRAM)
                        return -errno;
        }
        null = open("/dev/null", O_RDONLY);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(fds[OUTPUT], STDOUT_FILENO) < 0 ||
            dup2(fds[OUTPUT], STDERR_FILENO) < 0)
                return -errno;
        if (syscall(SYS_close_range, STDERR_FILENO + 1, above - 1, 0) < 0)
                return -errno;
        for (size_t i = 0; i < spawn->n_fds; i++)
                if (dup2(fds[N_OWN + i], spawn->fds[i].number) < 0)
                        return -errno;
        /* what is kept goes at exec */
        for (int i = 0; i < N_KEPT; i++) {
                if (fds[i] >= 0 && dup3(fds[i], last + 1 + i, O_CLOEXEC) < 0)
                        return -errno;
                if (fds[i] >= 0)
                        fds[i] = last + 1 + i;
        }
        if (syscall(SYS_close_range, above, ~0U, 0) < 0)
                return -errno;
        return 0;
}

static int drop_privileges(const ChildSpawn *spawn)
{
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        if (geteuid() == 0) /* the bounding set: else an exec as root would bring them back */
                for (int cap = 0; cap < 64; cap++)
                        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
                                return -errno;
        r = spawn->switch_ids
                    ? child_setup_ids(spawn->uid, spawn->gid, spawn->groups, spawn->n_groups)
                    : 0;
        if (r < 0)
                return r;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
                return -errno;
        return child_setup_capabilities(0);
}

/* A program below a directory that only root may enter is still root's choice: what the CVM's uid
 * may not reach by path it gets by the descriptor that the daemon opened. */
static void execute(const ChildSpawn *spawn, int program, char *const *environment)
{
        int error;

        execve(spawn->argv[0], spawn->argv, environment);
        error = errno;
        if (error == EACCES && program >= 0) {
                syscall(SYS_execveat, program, "", spawn->argv, environment, AT_EMPTY_PATH);
                /* a script: its interpreter must still find the descriptor */
                if (errno == ENOENT && fcntl(program, F_SETFD, 0) == 0)
                        syscall(SYS_execveat, program, "", spawn->argv, environment, AT_EMPTY_PATH);
                error = errno;
        }
        child_fail(spawn->argv[0], error);
}

static void child_become(const ChildSpawn *spawn, int *fds)
{
        static const struct rlimit no_core = {0, 0}, no_limit = {RLIM_INFINITY, RLIM_INFINITY};
        char path[] = "PATH=/usr/bin:/bin", lang[] = "LANG=C.UTF-8";
        char *const environment[] = {path, lang, NULL};
        ssize_t n;
        char byte;
        int r;

        child_setup_signals();
        /* What asks a container's init to power off (systemd(1)) and machinectl before systemd 262
         * sends to any machine's leader. An ignored signal stays ignored over exec; QEMU has no
         * use for it, and would die. */
        signal(SIGRTMIN + 4, SIG_IGN);
        setsid();
        /* what fails from here on is said where the program would say it, and its failure
         * is read */
        if (dup2(fds[OUTPUT], STDERR_FILENO) < 0)
                _exit(127);
        r = arrange_fds(spawn, fds);
        if (r < 0)
                child_fail("cannot arrange descriptors", -r);
        /* SEV and SEV-ES guests are locked in memory whole; a user's daemon has what it
         * was given */
        if (geteuid() == 0)
                setrlimit(RLIMIT_MEMLOCK, &no_limit);
        if (setrlimit(RLIMIT_CORE, &no_core) < 0 || chdir("/") < 0)
                child_fail("cannot set limits", errno);
        umask(0077);
        r = drop_privileges(spawn);
        if (r < 0)
                child_fail("cannot drop privileges", -r);
        r = spawn->filter ? file_filter_load(spawn->filter) : 0;
        if (r < 0)
                child_fail("cannot load the system call filter", -r);
        do
                n = read(fds[KEPT_GO], &byte, 1);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                _exit(0);
        execute(spawn, fds[KEPT_PROGRAM], environment);
}

int child_spawn(const ChildSpawn *spawn, Child *ret)
{
        _cleanup_close_ int read_end = -1, write_end = -1, program = -1;
        _cleanup_free_ int *fds = calloc(N_OWN + spawn->n_fds, sizeof(int));
        int ends[2], pidfd = -1;
        pid_t pid;

        if (!fds)
                return -ENOMEM;
        if (N_OWN + spawn->n_fds > FORK_FDS_MAX)
                return -EMFILE;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        read_end = ends[0];
        write_end = ends[1];

        /* without it the child would report EACCES, or nothing if it has no descriptors either */
        program = open(spawn->argv[0], O_PATH | O_CLOEXEC);
        if (program < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
                return -errno;
        fds[KEPT_GO] = read_end;
        fds[KEPT_PROGRAM] = program;
        fds[OUTPUT] = spawn->output_fd;
        for (size_t i = 0; i < spawn->n_fds; i++)
                fds[N_OWN + i] = spawn->fds[i].fd;

        fail_point("child: to be forked");
        pid = fork_bare(fds, N_OWN + spawn->n_fds, SIGCHLD, &pidfd);
        if (pid < 0)
                return pid;
        if (pid == 0)
                child_become(spawn, fds);

        fail_point("child: forked");
        *ret = (Child){.pid = pid, .pidfd = pidfd, .go_fd = TAKE_FD(write_end)};
        return 0;
}

int child_go(Child *child)
{
        _cleanup_close_ int fd = TAKE_FD(child->go_fd);
        int r;

        fail_point("child: to go");
        r = write(fd, "g", 1) == 1 ? 0 : -errno;
        fail_point("child: goes");
        return r;
}
