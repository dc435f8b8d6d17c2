/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A listening Unix socket at a path.
 *
 * There is no moment at which the socket can be connected to with other rights than those asked
 * for: it is bound with mode 0600, given group and mode, and listens only then. The directory is
 * locked meanwhile (flock(2)), so that of two daemons that start at once one sees the other.
 */

#include <sys/types.h>

#include "base/macros.h"

typedef struct WireListenerPath {
        char *path; /* owned */
        dev_t device;
        ino_t inode; /* of the socket's file */
} WireListenerPath;

/* How long a daemon that starts waits for what is left of one that was just killed. */
#define WIRE_LISTENER_START_MSEC 2000

/* group: (gid_t)-1 leaves it. msec: how long to wait, blocking, for a process that listens there to
 * end; 0 in an event loop. Returns a listening, non-blocking socket, or
 *   -ENAMETOOLONG  over 107 bytes (sun_path, unix(7));
 *   -EADDRINUSE    a process listens there, for `msec` at least;
 *   -EEXIST        there is something other than a socket;
 *   -EBUSY         the directory stays locked;
 *   -errno. */
int wire_listener_open(const char *path, mode_t mode, gid_t group, int msec, WireListenerPath *ret);

/* The path that a listening socket of another process's making is bound to. Returns -ENOENT if it
 * has none, or nothing is there by now. */
int wire_listener_path_of(int fd, WireListenerPath *ret);
/* Whether the socket's file is still the one that was made. */
bool wire_listener_path_is_there(const WireListenerPath *path);
/* Removes the socket's file if it is still the one that was made, and frees the path. */
void wire_listener_path_done(WireListenerPath *path);
/* Frees the path alone: the socket's file is another process's to remove. */
void wire_listener_path_leave(WireListenerPath *path);
