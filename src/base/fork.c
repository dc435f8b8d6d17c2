/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fork.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/socket.h"

/* The number at which a child finds its socket, one child at a time. fork_reserve() has taken it,
 * since all numbers below it are copied to each child. -1 if nothing is reserved. */
static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;
static int reserved_slot = -1;
/* Who made this child, which has this of its parent: the same in all that the process makes. */
static pid_t maker;

typedef struct ForkRequest {
        int *fds;
        size_t n_fds;
        int exit_signal;
} ForkRequest;

static int open_placeholder(void)
{
        return open("/dev/null", O_PATH | O_CLOEXEC);
}

int fork_reserve(void)
{
        int fd = open_placeholder();

        while (fd >= 0 && fd <= STDERR_FILENO) /* one that was closed when this process began */
                fd = open_placeholder();
        if (fd < FORK_RESERVED)
                reserved_slot = fd;
        while (fd >= 0 && fd < FORK_RESERVED)
                fd = open_placeholder();
        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

/* Sends all descriptors and one byte. */
static int send_fds(int socket, const int *fds, size_t n)
{
        int sent[FORK_FDS_MAX];
        size_t n_sent = 0;
        ssize_t size;

        for (size_t i = 0; i < n; i++)
                if (fds[i] >= 0)
                        sent[n_sent++] = fds[i];
        size = socket_send(socket, "f", 1, sent, n_sent, 0);
        return size < 0 ? (int)size : 0;
}

/* In the child. */
static int receive_fds(int socket, int *fds, size_t n)
{
        SocketFds received;
        size_t n_wanted = 0, n_taken = 0;
        char byte;
        ssize_t size;

        for (size_t i = 0; i < n; i++)
                n_wanted += fds[i] >= 0;
        size = socket_receive(socket, &byte, 1, &received, MSG_DONTWAIT);
        if (size != 1)
                return size < 0 ? (int)size : -ECHILD;
        if (received.truncated || received.n != n_wanted)
                return -EMFILE;
        for (size_t i = 0; i < n; i++)
                if (fds[i] >= 0)
                        fds[i] = received.fds[n_taken++];
        return 0;
}

/* In the child: a table of its own, with nothing in it but what it was given. */
static int leave_table(int socket, int *fds, size_t n)
{
        if (syscall(SYS_close_range, socket + 1, ~0U, CLOSE_RANGE_UNSHARE) < 0)
                return -errno;
        if (socket > STDERR_FILENO + 1 &&
            syscall(SYS_close_range, STDERR_FILENO + 1, socket - 1, 0) < 0)
                return -errno;
        return receive_fds(socket, fds, n);
}

static void child_begin(int socket, int *fds, size_t n)
{
        int r = leave_table(socket, fds, n);

        if (send(socket, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r) || r < 0)
                _exit(127);
        close(socket);
}

/* Waits until the child has a table of its own. Returns what it says, or -ECHILD: it has died. */
static int await_child(int socket, int pidfd)
{
        struct pollfd fds[] = {{.fd = socket, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        int r;

        while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
                if (errno != EINTR)
                        return -errno;
        return recv(socket, &r, sizeof(r), MSG_DONTWAIT) == sizeof(r) ? r : -ECHILD;
}

static void end_child(pid_t pid)
{
        kill(pid, SIGKILL); /* our own child, not reaped yet: the pid is its */
        while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
                ;
}

/* With the lock held. `theirs` is the child's end of the pair. */
static pid_t make(int ours, int theirs, const ForkRequest *request, int *ret_pidfd)
{
        sigset_t all, before;
        int pidfd = -1, r;
        pid_t pid;

        maker = getpid();
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = (pid_t)syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | request->exit_signal, NULL,
                             &pidfd, NULL, 0);
        if (pid == 0) {
                child_begin(theirs, request->fds, request->n_fds);
                return 0;
        }
        r = pid < 0 ? -errno : 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
                return r;
        r = await_child(ours, pidfd);
        if (r < 0) {
                end_child(pid);
                close(pidfd);
                return r;
        }
        *ret_pidfd = pidfd;
        return pid;
}

/* The same with the child's end at the reserved slot, if there is one; it is closed afterwards. */
static pid_t make_at_slot(int ours, int theirs, const ForkRequest *request, int *ret_pidfd)
{
        int at = reserved_slot < 0 ? theirs : dup3(theirs, reserved_slot, O_CLOEXEC), placeholder,
            r;
        pid_t pid;

        if (at < 0) {
                r = -errno;
                close(theirs);
                return r;
        }
        if (at != theirs)
                close(theirs);
        pid = make(ours, at, request, ret_pidfd);
        if (pid == 0 || at == theirs) {
                if (pid != 0)
                        close(at);
                return pid;
        }
        /* without a placeholder the socket of the ended child stays there, which does no harm */
        placeholder = open_placeholder();
        if (placeholder >= 0) {
                (void)dup3(placeholder, at, O_CLOEXEC);
                close(placeholder);
        }
        return pid;
}

pid_t fork_bare(int *fds, size_t n, int exit_signal, int *ret_pidfd)
{
        const ForkRequest request = {fds, n, exit_signal};
        int pair[2], pidfd = -1, r;
        pid_t pid;

        assert(n <= FORK_FDS_MAX);

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        r = send_fds(pair[0], fds, n);
        if (r < 0) {
                close(pair[0]);
                close(pair[1]);
                return r;
        }
        pthread_mutex_lock(&slot_lock);
        pid = make_at_slot(pair[0], pair[1], &request, &pidfd);
        if (pid == 0)
                return 0; /* the lock and these numbers are the parent's */
        pthread_mutex_unlock(&slot_lock);
        close(pair[0]);
        if (pid > 0 && ret_pidfd)
                *ret_pidfd = pidfd;
        else if (pid > 0)
                close(pidfd);
        return pid;
}

int fork_end_with_parent(void)
{
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        return getppid() == maker ? 0 : -ESRCH;
}
