/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closes descriptors that other processes sent, and sockets over which they could send some.
 * Closing a file of a file system in user space (FUSE) asks that file system and waits for its
 * answer, which may never come; nothing can interrupt the wait. A socket may wait for its peer in
 * the same way (SO_LINGER, switched off here first).
 *
 * Descriptors that a peer has sent and nobody has received are closed when the socket in which they
 * wait is closed, or when the bytes that they came with are read without room for descriptors. Both
 * wait for them in the same way, and SO_LINGER cannot be switched off for them.
 *
 * So descriptors are closed in threads. Each is counted to the account (base/account.h) of the uid
 * that sent it until it is closed. An account has at most FOREIGN_CLOSERS_PER_UID threads at a
 * time, and the same number is always reserved for root. Further descriptors wait for their turn;
 * none stays open for good. Code that receives descriptors asks foreign_is_full() and refuses those
 * of a uid that has too many waiting. Thread-safe; no call here waits for a file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FOREIGN_CLOSERS_MAX 64
#define FOREIGN_CLOSERS_PER_UID 4
#define FOREIGN_WAITING_PER_UID 512 /* descriptors: with more of them an account is full */
/* Descriptors from this number on are closed at once: only another process than the daemon, which
 * limits itself to fewer, has that many. This is Linux's default limit (fs.nr_open, proc(5)). */
#define FOREIGN_FDS_MAX (1 << 20)

/* Takes the descriptors, -1 left out, and returns at once. */
void foreign_close(uid_t uid, const int *fds, size_t n);
/* Whether more than FOREIGN_WAITING_PER_UID descriptors of the uid's account are still to be
 * closed. */
bool foreign_is_full(uid_t uid);

/* How many descriptors of all accounts wait for a thread, and how many threads close one. */
void foreign_count(size_t *ret_waiting, size_t *ret_closing);

/* Takes a connected Unix socket whose peer is not trusted, and returns at once; the peer sees the
 * end of the stream. If only bytes wait in the socket it is closed here, otherwise in a thread,
 * counted to the peer's uid (SO_PEERCRED). A socket that is not a Unix socket carries no
 * descriptors and is closed here. */
void foreign_close_socket(int fd);
/* Does the same to a connection that another process may continue to use: the peer does not see its
 * end, and it is always closed in a thread. */
void foreign_close_shared(int fd);
/* Reads bytes from such a socket without waiting and without ever receiving or closing a
 * descriptor. Returns their number, 0 at the end of the stream, or -errno: -EAGAIN if there is
 * nothing, -EPROTO if descriptors come with these bytes or the next, which then stay in the socket.
 * A descriptor that is not a socket is read as by read(2). */
ssize_t foreign_recv(int fd, void *data, size_t size);
