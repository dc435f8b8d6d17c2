/* SPDX-License-Identifier: Apache-2.0 */
#include "base/errand.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/account.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/socket.h"

#define STACK_SIZE (64u << 10)
#define END_MSEC 1000 /* for a child that is killed; on a busy machine, too */

typedef struct Place {
        bool used, left; /* by a child; that is left behind */
        uid_t account;
        int pidfd; /* owned if the child is left behind */
} Place;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Place places[ERRAND_LEFT_MAX + ERRAND_ROOT_MAX];

/* With the lock held. */
static unsigned left_of(uid_t account)
{
        unsigned n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                n += places[i].used && places[i].left && places[i].account == account;
        return n;
}

/* The first places are for all users but root, the others for root. */
static int place_take(uid_t account, size_t *ret)
{
        size_t first = account == 0 ? ERRAND_LEFT_MAX : 0;
        size_t end = account == 0 ? ARRAY_SIZE(places) : ERRAND_LEFT_MAX;
        int r = -EUSERS;

        pthread_mutex_lock(&lock);
        if (left_of(account) >= ERRAND_LEFT_PER_UID)
                end = first;
        for (size_t i = first; r < 0 && i < end; i++) {
                if (places[i].used)
                        continue;
                places[i] = (Place){.used = true, .account = account, .pidfd = -1};
                *ret = i;
                r = 0;
        }
        pthread_mutex_unlock(&lock);
        return r;
}

static void place_give_back(Place *place)
{
        pthread_mutex_lock(&lock);
        place->used = false;
        pthread_mutex_unlock(&lock);
}

unsigned errand_left(uid_t uid)
{
        uid_t account = account_of(uid);
        unsigned n;

        pthread_mutex_lock(&lock);
        n = left_of(account);
        pthread_mutex_unlock(&lock);
        return n;
}

static void errand_reap(int pidfd)
{
        siginfo_t info;

        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
                ;
}

static void *errand_reap_later(void *userdata)
{
        Place *mine = userdata;

        errand_reap(mine->pidfd);
        close(mine->pidfd);
        place_give_back(mine);
        return NULL;
}

/* Takes pidfd and the place. Signals are left to the other threads. Returns false if no thread can
 * be started. */
static bool errand_leave_behind(Place *mine, int pidfd)
{
        sigset_t all, before;
        pthread_attr_t attr;
        pthread_t thread;
        bool begun;

        pthread_mutex_lock(&lock);
        mine->left = true;
        mine->pidfd = pidfd;
        pthread_mutex_unlock(&lock);
        sigfillset(&all);
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        begun = pthread_create(&thread, &attr, errand_reap_later, mine) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        return begun;
}

/* Makes a child that is a copy of this process. */
static pid_t errand_fork(const ErrandWork *work, const int *fds, size_t n, int *ret_socket,
                         int *ret_pidfd)
{
        int all[1 + FORKER_FDS_MAX], pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        all[0] = pair[1];
        for (size_t i = 0; i < n; i++)
                all[1 + i] = fds[i];
        pid = fork_bare(all, n + 1, 0, ret_pidfd);
        if (pid == 0) {
                work->function(all[0], all + 1, n, work->data);
                _exit(0);
        }
        close(pair[1]); /* a child that dies is then seen as the end of the stream */
        if (pid > 0)
                *ret_socket = pair[0];
        else
                close(pair[0]);
        return pid;
}

int errand_begin(Errand *errand, uid_t uid, const ErrandWork *work, const int *fds, size_t n)
{
        int socket, pidfd, r;
        size_t place;
        pid_t pid;

        if (n > FORKER_FDS_MAX)
                return -E2BIG;
        r = place_take(account_of(uid), &place);
        if (r < 0)
                return r;
        pid = forker_make(work->function, work->data, work->size, fds, n, &socket, &pidfd);
        if (pid == -ENOSYS)
                pid = errand_fork(work, fds, n, &socket, &pidfd);
        if (pid < 0) {
                place_give_back(&places[place]);
                return (int)pid;
        }
        *errand = (Errand){.place = place, .pid = pid, .pidfd = pidfd, .socket = socket};
        return 0;
}

/* 0: it can be read; -ETIMEDOUT or -errno. */
static int errand_await(int fd, int msec)
{
        int64_t deadline = clock_monotonic_msec() + msec;

        for (;;) {
                struct pollfd waited = {.fd = fd, .events = POLLIN};
                int64_t left_msec = deadline - clock_monotonic_msec();
                int r = poll(&waited, 1, msec < 0 ? -1 : left_msec > 0 ? (int)left_msec : 0);

                if (r > 0)
                        return 0;
                if (r == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

int errand_receive(const Errand *errand, int msec, void *data, size_t size, int *ret_fd)
{
        _cleanup_close_ int fd = -1;
        ssize_t n;
        int r = errand_await(errand->socket, msec);

        if (r < 0)
                return r;
        n = socket_receive_fd(errand->socket, data, size, &fd, MSG_DONTWAIT);
        if (n < 0)
                return (int)n;
        if (ret_fd && fd >= 0)
                *ret_fd = TAKE_FD(fd);
        return (size_t)n == size ? 0 : -ECHILD;
}

void errand_end(Errand *errand)
{
        Place *place = &places[errand->place];

        kill(errand->pid, SIGKILL); /* until it is reaped, the pid is nobody else's */
        closep(&errand->socket);
        if (errand_await(errand->pidfd, END_MSEC) == -ETIMEDOUT &&
            errand_leave_behind(place, errand->pidfd))
                return;
        errand_reap(errand->pidfd);
        close(errand->pidfd);
        place_give_back(place);
}
