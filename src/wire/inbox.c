/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/inbox.h"

#include <assert.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>

#include "base/foreign.h"
#include "base/socket.h"

void wire_fds_close(uid_t uid, WireFd *fds, size_t n)
{
        for (size_t i = 0; i < n; i++)
                foreign_close(uid, &fds[i].fd, 1);
        free(fds);
}

void wire_inbox_done(WireInbox *inbox)
{
        wire_fds_close(inbox->uid, inbox->fds, inbox->n_fds);
        buffer_done(&inbox->stored);
        *inbox = (WireInbox){};
}

size_t wire_inbox_size(const WireInbox *inbox)
{
        return inbox->fresh ? inbox->n_fresh : inbox->stored.size;
}

const char *wire_inbox_bytes(const WireInbox *inbox)
{
        return inbox->fresh ?: inbox->stored.data ?: "";
}

bool wire_inbox_has_fds(const WireInbox *inbox)
{
        return inbox->n_fds > 0;
}

/* Where the message begins that the next byte belongs to. */
static size_t next_message(const WireInbox *inbox)
{
        const char *data = inbox->stored.data;
        const char *nul = data ? memrchr(data, 0, inbox->stored.size) : NULL;

        return nul ? (size_t)(nul - data) + 1 : 0;
}

static void inbox_judge_fd(const WireInbox *inbox, int fd, WireFd *ret)
{
        *ret = (WireFd){fd, descriptor_judge(fd, inbox->mounts)};
        if (ret->judged.kind != DESCRIPTOR_USELESS && ret->judged.kind != DESCRIPTOR_SERVED)
                return;
        foreign_close(inbox->uid, &fd, 1);
        ret->fd = -1;
}

/* Keeps the descriptors of a message; what cannot be kept is closed. */
static int keep_fds(WireInbox *inbox, const SocketFds *received, size_t max)
{
        int r = received->truncated ? -EPROTO : 0;
        size_t n = received->n;
        WireFd *fds;

        if (n == 0)
                return r;
        if (n > max || inbox->fds)
                r = -EPROTO;
        fds = r == 0 ? calloc(n, sizeof(*fds)) : NULL;
        if (!fds) {
                foreign_close(inbox->uid, received->fds, n);
                return r ?: -ENOMEM;
        }
        for (size_t i = 0; i < n; i++)
                inbox_judge_fd(inbox, received->fds[i], &fds[i]);
        inbox->fds = fds;
        inbox->n_fds = n;
        inbox->fds_at = next_message(inbox);
        return 0;
}

/* Reads up to `size` bytes and the descriptors that ride on them. */
static ssize_t read_with_fds(WireInbox *inbox, int fd, char *scratch, size_t size, size_t fds_max)
{
        SocketFds received;
        ssize_t n = socket_receive(fd, scratch, size, &received, MSG_DONTWAIT);
        int r;

        if (n < 0)
                return n;
        r = keep_fds(inbox, &received, fds_max);
        return r < 0 ? r : n;
}

/* Receives what was looked at, or of messages with descriptors the first alone. */
static ssize_t read_peeked(WireInbox *inbox, int fd, char *scratch, size_t peeked, bool with_fds,
                           size_t fds_max)
{
        const char *nul;
        ssize_t n;

        if (!with_fds) {
                n = recv(fd, scratch, peeked, MSG_DONTWAIT);
                return n < 0 ? -errno : n;
        }
        if (inbox->uid != 0 && foreign_is_full(inbox->uid))
                return -EUSERS;
        nul = memchr(scratch, 0, peeked);
        return read_with_fds(inbox, fd, scratch, nul ? (size_t)(nul - scratch) + 1 : peeked,
                             fds_max);
}

ssize_t wire_inbox_read(WireInbox *inbox, int fd, char *scratch, size_t fds_max)
{
        struct iovec iov = {.iov_base = scratch, .iov_len = WIRE_INBOX_READ};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        size_t peeked, kept;
        ssize_t n;
        int r;

        assert(scratch && !inbox->fresh);

        n = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        peeked = (size_t)n;
        n = read_peeked(inbox, fd, scratch, peeked, msg.msg_flags & MSG_CTRUNC, fds_max);
        kept = n > 0 ? (size_t)n : 0;
        explicit_bzero(scratch + kept, peeked - kept);
        if (n <= 0)
                return n;

        if (inbox->stored.size == 0) {
                inbox->fresh = scratch;
                inbox->n_fresh = (size_t)n;
                return n;
        }
        r = buffer_append(&inbox->stored, scratch, (size_t)n);
        explicit_bzero(scratch, (size_t)n);
        return r < 0 ? r : n;
}

bool wire_inbox_next(WireInbox *inbox, size_t *offset, const char **ret, size_t *ret_size)
{
        const char *data = wire_inbox_bytes(inbox), *nul;
        size_t from = MAX(*offset, inbox->scanned), size = wire_inbox_size(inbox);

        nul = memchr(data + from, 0, size - from);
        if (!nul) {
                inbox->scanned = size;
                return false;
        }
        *ret = data + *offset;
        *ret_size = (size_t)(nul - *ret);
        *offset += *ret_size + 1;
        return true;
}

size_t wire_inbox_allocated(const WireInbox *inbox)
{
        return inbox->stored.allocated;
}

int wire_inbox_take_message(WireInbox *inbox, size_t at, size_t *offset, Buffer *ret)
{
        size_t size = *offset - at - 1;
        Buffer rest = {};
        int r;

        if (at > 0 || inbox->fresh) /* little more than a read of the socket */
                return buffer_append(ret, wire_inbox_bytes(inbox) + at, size);
        r = buffer_append(&rest, inbox->stored.data + *offset, inbox->stored.size - *offset);
        if (r < 0)
                return r;
        explicit_bzero(inbox->stored.data + size, inbox->stored.size - size);
        *ret = inbox->stored;
        ret->size = size;
        inbox->stored = rest;
        inbox->scanned = 0;
        inbox->fds_at -= MIN(inbox->fds_at, *offset);
        *offset = 0;
        return 0;
}

WireFd *wire_inbox_take_fds(WireInbox *inbox, size_t offset, size_t *ret_n)
{
        *ret_n = 0;
        if (!inbox->fds || inbox->fds_at != offset)
                return NULL;
        *ret_n = inbox->n_fds;
        inbox->n_fds = 0;
        return TAKE_PTR(inbox->fds);
}

int wire_inbox_settle(WireInbox *inbox, size_t offset)
{
        int r = 0;

        assert(offset <= wire_inbox_size(inbox));

        if (inbox->fresh) {
                if (offset < inbox->n_fresh)
                        r = buffer_append(&inbox->stored, inbox->fresh + offset,
                                          inbox->n_fresh - offset);
                explicit_bzero(inbox->fresh, inbox->n_fresh);
                inbox->fresh = NULL;
                inbox->n_fresh = 0;
        } else if (offset == inbox->stored.size) {
                buffer_done(&inbox->stored);
        } else {
                buffer_consume(&inbox->stored, offset);
        }
        inbox->scanned -= MIN(inbox->scanned, offset);
        inbox->fds_at -= MIN(inbox->fds_at, offset);
        return r;
}
