/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closing of descriptors that others sent, and of sockets by which they could send some. Closing
 * one of a file system in user space (FUSE) asks that file system and waits for its answer, in
 * which nothing can interrupt it: it may never come. A socket may wait for its peer in the same way
 * (SO_LINGER, switched off here first).
 *
 * Descriptors that a peer has sent and nobody has received are closed with the socket in which they
 * wait, or with the bytes that they came with where those are read without room for descriptors.
 * Whoever does either waits for them in the same way, and there is no switching off of SO_LINGER.
 *
 * So descriptors are closed in threads. Each is counted to the account (base/account.h) of the
 * uid that sent it until it is closed. An account has at most FOREIGN_CLOSERS_PER_UID threads at a
 * time, and as many are always left to root. What is more waits for its turn, and nothing is ever
 * left open for good: whoever receives descriptors asks foreign_is_full() and refuses those of a
 * uid of which too many wait. Thread-safe; no call here waits for a file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FOREIGN_CLOSERS_MAX 64
#define FOREIGN_CLOSERS_PER_UID 4
#define FOREIGN_WAITING_PER_UID 512 /* descriptors: with more of them an account is full */
/* Descriptors from this number on are closed at once: a process with so many is not the daemon,
 * which limits itself to fewer. Linux allows as many by default (fs.nr_open, proc(5)). */
#define FOREIGN_FDS_MAX (1 << 20)

/* Takes the descriptors, -1 left out, and returns at once. */
void foreign_close(uid_t uid, const int *fds, size_t n);
/* Whether more than FOREIGN_WAITING_PER_UID descriptors of the uid's account are still to be
 * closed. */
bool foreign_is_full(uid_t uid);

/* Takes a connected Unix socket whose peer is not trusted, and returns at once; the peer sees the
 * end of the stream. Where nothing but bytes waits in it the socket is closed here, else in a
 * thread, counted to the peer's uid (SO_PEERCRED). A socket that is not a Unix socket carries no
 * descriptors and is closed here. */
void foreign_close_socket(int fd);
/* Likewise, but another process may continue to use the connection: its end is not told to the
 * peer, and it is always closed in a thread. */
void foreign_close_shared(int fd);
/* Reads bytes from such a socket without waiting and without ever receiving or closing a
 * descriptor. Returns their number, 0 at the end of the stream, or -errno: -EAGAIN for nothing
 * there, -EPROTO where descriptors come with these bytes or the next, which stay where they are. Of
 * a descriptor that is not a socket it reads as read(2) does. */
ssize_t foreign_recv(int fd, void *data, size_t size);
