/* SPDX-License-Identifier: Apache-2.0 */
#include "base/forker.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fork.h"
#include "base/socket.h"

/* As ps(1) shows them. */
#define FORKER_NAME "cvmd-forker"
#define CHILD_NAME "cvmd-errand"

/* A message to the forker; the function is at the same address in each copy of one process. With it
 * come the child's end of its socket, and the descriptors of which `given` has the bit. */
typedef struct ForkerRequest {
        ForkerFunction function;
        uint32_t given;
        uint32_t n_fds;
        _Alignas(max_align_t) char data[FORKER_DATA_MAX];
} ForkerRequest;

#define REQUEST_HEADER offsetof(ForkerRequest, data)

/* The daemon's end of the forker's socket; -1: there is none. */
static atomic_int forker_socket = -1;
static pid_t forker_pid;

/* In the child: what was asked for, once it was taken. */
static void forker_child_run(int requests, int taken)
{
        static ForkerRequest request;
        int fds[FORKER_FDS_MAX], pidfd;
        SocketFds received;
        pid_t pid = getpid();
        size_t n = 1;
        ssize_t size = socket_receive(requests, &request, sizeof(request), &received, MSG_DONTWAIT);

        (void)!write(taken, "t", 1);
        close(taken);
        close(requests);
        if (size < (ssize_t)REQUEST_HEADER || received.truncated || received.n < 1)
                return;
        for (size_t i = 0; i < request.n_fds; i++)
                fds[i] = request.given & (1u << i) && n < received.n ? received.fds[n++] : -1;
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0 ||
            socket_send(received.fds[0], &pid, sizeof(pid), &pidfd, 1, 0) != sizeof(pid))
                return;
        close(pidfd);
        request.function(received.fds[0], fds, request.n_fds, request.data);
}

/* Makes a child for the request that is there, and waits until the child has it. Returns -errno if
 * none can be made. */
static int forker_make_child(int requests)
{
        int pair[2], pidfd = -1;
        pid_t pid;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD, NULL, &pidfd, NULL, 0);
        if (pid == 0) {
                prctl(PR_SET_NAME, CHILD_NAME, 0, 0, 0);
                close(pair[0]);
                forker_child_run(requests, pair[1]);
                _exit(0);
        }
        close(pair[1]);
        if (pid > 0) {
                struct pollfd waited[] = {{.fd = pair[0], .events = POLLIN},
                                          {.fd = pidfd, .events = POLLIN}};

                while (poll(waited, ARRAY_SIZE(waited), -1) < 0 && errno == EINTR)
                        ;
                close(pidfd);
        }
        close(pair[0]);
        return pid < 0 ? -EAGAIN : 0;
}

/* Refuses the request that is there: its sender sees its end of the child's socket closed. */
static void forker_refuse(int requests)
{
        char byte;

        (void)!recv(requests, &byte, sizeof(byte), MSG_DONTWAIT);
}

static _Noreturn void forker_run(int requests)
{
        prctl(PR_SET_NAME, FORKER_NAME, 0, 0, 0);
        if (fork_end_with_parent() < 0)
                _exit(1);
        for (;;) {
                struct pollfd waited = {.fd = requests, .events = POLLIN};

                if (poll(&waited, 1, -1) < 0 && errno != EINTR)
                        _exit(1);
                if (waited.revents & POLLIN && forker_make_child(requests) < 0)
                        forker_refuse(requests);
                else if (!(waited.revents & POLLIN) && waited.revents)
                        _exit(0);
        }
}

int forker_start(void)
{
        int pair[2], theirs;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        theirs = pair[1];
        pid = fork_bare(&theirs, 1, 0, NULL);
        if (pid == 0)
                forker_run(theirs);
        close(pair[1]);
        if (pid < 0) {
                close(pair[0]);
                return (int)pid;
        }
        forker_pid = pid;
        atomic_store(&forker_socket, pair[0]);
        return 0;
}

void forker_stop(void)
{
        int socket = atomic_exchange(&forker_socket, -1);

        if (socket < 0)
                return;
        /* before the close, which would wake it: it would make a child that nobody reaps */
        kill(forker_pid, SIGKILL); /* not reaped yet: the pid is its */
        close(socket);
        while (waitpid(forker_pid, NULL, __WALL) < 0 && errno == EINTR)
                ;
}

/* Waits for the child's first words. Returns its pid or -errno. */
static pid_t forker_await(int socket, int *ret_pidfd)
{
        _cleanup_close_ int pidfd = -1;
        pid_t pid;
        ssize_t n;

        do
                n = socket_receive_fd(socket, &pid, sizeof(pid), &pidfd, 0);
        while (n == -EINTR);
        if (n < 0)
                return (pid_t)n;
        if (n != sizeof(pid) || pidfd < 0)
                return -ECHILD;
        *ret_pidfd = TAKE_FD(pidfd);
        return pid;
}

/* Sends the request with the child's end of the socket. */
static int forker_send(const ForkerRequest *request, size_t size, int theirs, const int *fds)
{
        int sent[1 + FORKER_FDS_MAX] = {theirs};
        size_t n = 1;
        ssize_t r;

        for (size_t i = 0; i < request->n_fds; i++)
                if (fds[i] >= 0)
                        sent[n++] = fds[i];
        r = socket_send(atomic_load(&forker_socket), request, REQUEST_HEADER + size, sent, n, 0);
        if (r == -EPIPE || r == -ECONNRESET || r == -EMSGSIZE)
                return -ENOSYS;
        return r < 0 ? (int)r : 0;
}

pid_t forker_make(ForkerFunction function, const void *data, size_t size, const int *fds, size_t n,
                  int *ret_socket, int *ret_pidfd)
{
        _cleanup_free_ ForkerRequest *request = NULL;
        _cleanup_close_ int ours = -1;
        int pair[2], pidfd = -1, r;
        pid_t pid;

        if (atomic_load(&forker_socket) < 0 || size > FORKER_DATA_MAX || n > FORKER_FDS_MAX)
                return -ENOSYS;
        request = malloc(REQUEST_HEADER + size);
        if (!request)
                return -ENOMEM;
        request->function = function;
        request->given = 0;
        request->n_fds = (uint32_t)n;
        for (size_t i = 0; i < n; i++)
                request->given |= fds[i] >= 0 ? 1u << i : 0;
        if (size > 0)
                memcpy(request->data, data, size);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        r = forker_send(request, size, pair[1], fds);
        close(pair[1]);
        if (r < 0)
                return r;
        pid = forker_await(ours, &pidfd);
        if (pid < 0) /* the forker was killed, or could make no child */
                return pid == -ECHILD || pid == -ECONNRESET ? -ENOSYS : pid;
        *ret_socket = TAKE_FD(ours);
        *ret_pidfd = pidfd;
        return pid;
}
