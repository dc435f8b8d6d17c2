/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A TLS 1.3 connection of a client, as lines. The server's key is made with the ChannelKey, so it
 * never leaves this guest. Its certificate is self-signed, and its dates mean nothing: the evidence
 * says which guest owns the key. Tickets and resumption are off, so each connection has an exporter
 * of its own.
 *
 * Each call has a limit in time and returns -ETIMEDOUT beyond it, however slowly the client sends.
 */

#include "base/attest_binding.h"
#include "base/buffer.h"

#define CHANNEL_FIRST_BYTE 0x16 /* of each TLS connection: a handshake record */

typedef struct ChannelKey ChannelKey;
ChannelKey *channel_key_new(void); /* NULL: libssl failed */
ChannelKey *channel_key_free(ChannelKey *key);
DEFINE_CLEANUP(ChannelKey *, channel_key_free)

typedef struct Channel Channel;

/* The handshake on a socket, which the channel borrows and makes non-blocking. Returns 0, -EPROTO
 * or another -errno. */
int channel_open(const ChannelKey *key, int fd, int64_t msec, Channel **ret);
Channel *channel_close(Channel *channel);
DEFINE_CLEANUP(Channel *, channel_close)

/* Fills in what this connection decides: server's key and exporter. */
void channel_get_session(const Channel *channel, AttestSession *session);

/* The next line without its end, newly allocated. Returns 0, -EPIPE (the client ended), -EMSGSIZE
 * (longer than `max`) or another -errno. */
int channel_read_line(Channel *channel, size_t max, int64_t msec, char **ret, size_t *ret_size);

int channel_write(Channel *channel, const char *data, size_t size, int64_t msec);
