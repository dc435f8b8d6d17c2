/* SPDX-License-Identifier: Apache-2.0 */
#include "base/foreign.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/account.h"
#include "base/account_counts.h"
#include "base/macros.h"

#define STACK_SIZE (64u << 10)

/*
 * What waits is a list through a table with an entry a descriptor number, so that waiting takes no
 * memory that could be missing. The table is zero pages until a number is used.
 */
typedef struct Waiting {
        uid_t account;
        int next;     /* -1: the last */
        bool counted; /* else too many accounts have something that waits */
} Waiting;

typedef struct Closer {
        bool runs;
        uid_t account; /* of what it closes */
} Closer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Waiting *table; /* FOREIGN_FDS_MAX entries, or NULL */
static int head = -1, tail = -1;
static AccountCounts waiting;
static Closer closers[FOREIGN_CLOSERS_MAX];

/* All functions down to closer_start() but close_now() are called with the lock held. */

static bool table_is_there(void)
{
        void *p;

        if (table)
                return true;
        p = mmap(NULL, sizeof(*table) * FOREIGN_FDS_MAX, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED)
                table = p;
        return table;
}

static void waiting_add(uid_t account, int fd)
{
        table[fd] = (Waiting){
                .account = account, .next = -1, .counted = account_counts_add(&waiting, account)};
        if (tail < 0)
                head = fd;
        else
                table[tail].next = fd;
        tail = fd;
}

static void waiting_remove(int fd, int before)
{
        if (before < 0)
                head = table[fd].next;
        else
                table[before].next = table[fd].next;
        if (tail == fd)
                tail = before;
        if (table[fd].counted)
                account_counts_remove(&waiting, table[fd].account);
}

static unsigned closers_of(uid_t account)
{
        unsigned n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(closers); i++)
                n += closers[i].runs && closers[i].account == account;
        return n;
}

static unsigned closers_but_root(void)
{
        unsigned n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(closers); i++)
                n += closers[i].runs && closers[i].account != 0;
        return n;
}

/* root_only: what closers_but_root() leaves */
static bool has_closer_to_spare(uid_t account, bool root_only)
{
        return (account == 0 || !root_only) && closers_of(account) < FOREIGN_CLOSERS_PER_UID;
}

static bool is_root_only(void)
{
        return closers_but_root() >= FOREIGN_CLOSERS_MAX - FOREIGN_CLOSERS_PER_UID;
}

/* The first descriptor whose account has a thread to spare, and its predecessor in the list (-1: it
 * is the first). Returns -1 if there is none. */
static int waiting_find(int *ret_before)
{
        bool root_only = is_root_only();
        uid_t busy = (uid_t)-1; /* the last one that was found to have none */

        for (int fd = head, before = -1; fd >= 0; before = fd, fd = table[fd].next) {
                uid_t account = table[fd].account;

                if (account == busy)
                        continue;
                if (has_closer_to_spare(account, root_only)) {
                        *ret_before = before;
                        return fd;
                }
                busy = account;
        }
        return -1;
}

static void close_now(int fd)
{
        const struct linger none = {};

        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        close(fd);
}

static void *closer_run(void *userdata);

/* A thread for the next descriptor that may be closed. Where there can be none, a later call makes
 * up for it. Signals are for the other threads. */
static void closer_start(void)
{
        Closer *closer = NULL;
        sigset_t all, before;
        pthread_attr_t attr;
        pthread_t thread;
        int fd, none;

        for (size_t i = 0; !closer && i < ARRAY_SIZE(closers); i++)
                if (!closers[i].runs)
                        closer = &closers[i];
        fd = closer ? waiting_find(&none) : -1;
        if (fd < 0)
                return;
        *closer = (Closer){true, table[fd].account};
        sigfillset(&all);
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, &attr, closer_run, closer) != 0)
                closer->runs = false;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
}

/* Before it closes a descriptor, which may never end, it starts a thread for the next one. */
static void *closer_run(void *userdata)
{
        Closer *closer = userdata;
        int fd, before;

        pthread_mutex_lock(&lock);
        for (;;) {
                closer->runs = false;
                fd = waiting_find(&before);
                if (fd < 0)
                        break;
                *closer = (Closer){true, table[fd].account};
                waiting_remove(fd, before);
                closer_start();
                pthread_mutex_unlock(&lock);
                close_now(fd);
                pthread_mutex_lock(&lock);
        }
        pthread_mutex_unlock(&lock);
        return NULL;
}

void foreign_close(uid_t uid, const int *fds, size_t n)
{
        bool waits = false;
        uid_t account;

        while (n > 0 && *fds < 0)
                fds++, n--;
        if (n == 0)
                return;
        account = account_of(uid);
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < n; i++) {
                if (fds[i] < 0)
                        continue;
                if (fds[i] < FOREIGN_FDS_MAX && table_is_there()) {
                        waiting_add(account, fds[i]);
                        waits = true;
                } else {
                        close_now(fds[i]);
                }
        }
        /* do not search all that wait if no account among them may have a thread */
        if (waits && has_closer_to_spare(account, is_root_only()))
                closer_start();
        pthread_mutex_unlock(&lock);
}

bool foreign_is_full(uid_t uid)
{
        uid_t account = account_of(uid);
        unsigned n;

        pthread_mutex_lock(&lock);
        n = account_counts_of(&waiting, account);
        if (n <= FOREIGN_WAITING_PER_UID)
                n += closers_of(account);
        pthread_mutex_unlock(&lock);
        return n > FOREIGN_WAITING_PER_UID;
}

void foreign_count(size_t *ret_waiting, size_t *ret_closing)
{
        size_t waits = 0, closing = 0;

        pthread_mutex_lock(&lock);
        for (int fd = head; fd >= 0; fd = table[fd].next)
                waits++;
        for (size_t i = 0; i < ARRAY_SIZE(closers); i++)
                closing += closers[i].runs;
        pthread_mutex_unlock(&lock);
        *ret_waiting = waits;
        *ret_closing = closing;
}

/* One look at what waits in a socket. Returns the number of bytes looked at or -errno; *ret_fds:
 * descriptors come with them. */
static ssize_t foreign_peek(int fd, void *data, size_t size, bool *ret_fds)
{
        struct iovec iov = {data, size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);

        *ret_fds = message.msg_flags & MSG_CTRUNC; /* there is no room for any */
        return n < 0 ? -errno : n;
}

/* Looks through all that waits, without taking it: a peer whose bytes are left unread sees a reset,
 * as it should. */
static bool has_only_bytes(int fd)
{
        const int from_start = 0;
        _uninitialized_ char bytes[4096];
        bool fds = false;
        ssize_t n;

        if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &from_start, sizeof(from_start)) < 0)
                return false;
        do
                n = foreign_peek(fd, bytes, sizeof(bytes), &fds);
        while (n > 0 && !fds);
        explicit_bzero(bytes, sizeof(bytes));
        return n == 0 && !fds;
}

/* Whether the descriptor, if it is one, can carry others. */
static bool is_unix(int fd)
{
        socklen_t size = sizeof(int);
        int domain;

        return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

static void close_in_thread(int fd)
{
        struct ucred peer = {.uid = 0};
        socklen_t size = sizeof(peer);

        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
        foreign_close(peer.uid, &fd, 1);
}

void foreign_close_socket(int fd)
{
        if (fd < 0)
                return;
        if (!is_unix(fd)) {
                close(fd);
                return;
        }
        shutdown(fd, SHUT_RDWR); /* nothing more arrives */
        if (has_only_bytes(fd))
                close(fd);
        else
                close_in_thread(fd);
}

void foreign_close_shared(int fd)
{
        if (fd < 0)
                return;
        if (is_unix(fd))
                close_in_thread(fd);
        else
                close(fd);
}

ssize_t foreign_recv(int fd, void *data, size_t size)
{
        bool fds;
        ssize_t n = foreign_peek(fd, data, size, &fds);

        if (n == -ENOTSOCK)
                n = read(fd, data, size);
        else if (n <= 0)
                return n;
        else if (fds)
                return -EPROTO;
        else
                n = recv(fd, data, (size_t)n, MSG_DONTWAIT);
        return n < 0 ? -errno : n;
}
