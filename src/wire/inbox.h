/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What has been received from a socket and not consumed yet: bytes, cut into messages by NUL bytes,
 * and the descriptors that came with the first byte of one of them.
 *
 * The kernel may return plain bytes and the bytes that descriptors ride on in one recvmsg(2),
 * without stating where the latter begin. So each read first peeks (MSG_PEEK without room for
 * descriptors, which sets MSG_CTRUNC if there are any); if there are some, messages are read one at
 * a time, and the descriptors belong to the message whose read brought them.
 *
 * Descriptors are judged on arrival (base/descriptor.h). Those that no method can use, and those
 * for which a server answers, are closed at once, off the loop; only the judgement is kept.
 *
 * At most one message with descriptors waits: the owner reads no further while wire_inbox_has_fds()
 * and a whole message is there.
 */

#include "base/descriptor.h"
#include "base/text.h"

#define WIRE_INBOX_READ 65536u /* bytes read at once at most */

typedef struct WireFd {
        int fd; /* owned; -1: taken, or closed as it came */
        Descriptor judged;
} WireFd;

typedef struct WireInbox {
        Buffer stored;  /* what is left over from earlier reads; empty most of the time */
        size_t scanned; /* bytes of it that hold no NUL byte */
        char *fresh;    /* the last read where nothing was stored: in the owner's buffer */
        size_t n_fresh;
        uid_t uid; /* of the sender, to whom descriptors that are being closed are counted */
        MountTable *mounts; /* borrowed; NULL: none is known */
        WireFd *fds;        /* owned; of the message that begins at fds_at */
        size_t n_fds;
        size_t fds_at; /* offset of that message */
} WireInbox;

void wire_inbox_done(WireInbox *inbox); /* closes descriptors */
/* Closes descriptors off the loop, counted to the uid, and frees the array. */
void wire_fds_close(uid_t uid, WireFd *fds, size_t n);

/* Reads what is there, at most WIRE_INBOX_READ bytes, into `scratch` of that size; the bytes may
 * stay there until wire_inbox_settle(). Returns the number of bytes, 0 at the end of the stream, or
 *   -EAGAIN    nothing there now;
 *   -EPROTO    more than `fds_max` descriptors, more than this process may have, or some for a
 *              message that has got some already: all that came are closed;
 *   -EUSERS    descriptors of a sender of whom too many are still to be closed (base/foreign.h):
 *              these stay in the socket, which the owner is to close by foreign_close_socket();
 *   -errno     of recvmsg(2). */
ssize_t wire_inbox_read(WireInbox *inbox, int fd, char *scratch, size_t fds_max);

/* The next whole message at *offset, without its NUL byte; *offset then points behind it. Returns
 * false, with *offset unchanged, if there is none. The bytes stay until wire_inbox_settle(). */
bool wire_inbox_next(WireInbox *inbox, size_t *offset, const char **ret, size_t *ret_size);

/* The descriptors of the message that began at `offset`, to be freed by the caller, who
 * owns them. */
WireFd *wire_inbox_take_fds(WireInbox *inbox, size_t offset, size_t *ret_n);
bool wire_inbox_has_fds(const WireInbox *inbox);

/* Takes the message from `at` to `*offset` (what wire_inbox_next() gave), without its NUL byte, out
 * of the inbox, without a copy if it is large; *offset is then the start of the next message.
 * Returns 0 or -ENOMEM; the message stays after a failure. */
int wire_inbox_take_message(WireInbox *inbox, size_t at, size_t *offset, Buffer *ret);
/* Bytes of memory that the stored bytes take. */
size_t wire_inbox_allocated(const WireInbox *inbox);

/* Bytes that wait, and those from an offset on. */
size_t wire_inbox_size(const WireInbox *inbox);
const char *wire_inbox_bytes(const WireInbox *inbox);

/* Forgets the bytes before `offset` and moves the rest out of the scratch buffer. 0 or -ENOMEM. */
int wire_inbox_settle(WireInbox *inbox, size_t offset);
