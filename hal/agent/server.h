/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A server of lines: each line that a client sends gets an answer, in order. One process, no
 * thread: what a client does not read waits for that client alone, whose next line waits too.
 *
 * At most SERVER_CLIENTS_MAX at a time: a new one takes the place of the one that has been silent
 * for longest. Who neither sends nor reads for SERVER_IDLE_MSEC is dropped.
 */

#include "base/text.h"

#define SERVER_CLIENTS_MAX 16
#define SERVER_IDLE_MSEC 60000

/* Appends the answer to a line (its line feed taken off). Returns 0 or -errno: the client is then
 * dropped. */
typedef int (*ServerAnswer)(void *userdata, const char *line, size_t size, Buffer *out);

/* Appends what a line longer than `line_max` is told; the client is dropped after. */
typedef int (*ServerTooLong)(void *userdata, Buffer *out);

/* Takes over a client whose first byte is one of TLS: its socket is borrowed, and nothing was read
 * from it. Returns 0 or -errno; the client is dropped here in any case. */
typedef int (*ServerTls)(void *userdata, int fd);

typedef struct ServerHandler {
        ServerAnswer answer;
        ServerTooLong too_long;
        size_t line_max;
        void *userdata;
        ServerTls tls; /* NULL: such clients are dropped */
        void *tls_userdata;
} ServerHandler;

/* A socket that listens on a TCP port on all addresses, IPv6 and IPv4; port 0: any. fd
 * or -errno. */
int server_listen(uint16_t port);

/* Serves until listening fails, or for tests until `stop` (-1: none) is readable. Returns 0 or
 * -errno. */
int server_run(int listener, int stop, const ServerHandler *handler);
