/* SPDX-License-Identifier: Apache-2.0 */
#include "attest_channel.h"

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

#define READ_SIZE 16384

DEFINE_CLEANUP(X509 *, X509_free)

struct AttestChannel {
        int fd;
        SSL_CTX *context;
        SSL *tls;
        int64_t deadline; /* clock_monotonic_msec() */
        AttestSession session;
        char *line; /* what was read; more than an answer is an error */
        size_t size, room;
};

AttestChannel *attest_channel_close(AttestChannel *channel)
{
        if (!channel)
                return NULL;
        SSL_free(channel->tls);
        SSL_CTX_free(channel->context);
        if (channel->fd >= 0)
                close(channel->fd);
        free(channel->line);
        free(channel);
        return NULL;
}

const AttestSession *attest_channel_session(const AttestChannel *channel)
{
        return &channel->session;
}

static int attest_channel_fail(int r, char **ret_reason, const char *reason)
{
        if (!*ret_reason)
                *ret_reason = strdup(reason);
        return r;
}

/* Until the events come. */
static int attest_channel_wait(const AttestChannel *channel, short events)
{
        struct pollfd poll_fd = {.fd = channel->fd, .events = events};
        int64_t now = clock_monotonic_msec();
        int n;

        if (now >= channel->deadline)
                return -ETIMEDOUT;
        n = poll(&poll_fd, 1, (int)(channel->deadline - now));
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        return n == 0 ? -ETIMEDOUT : 0;
}

/* After an operation of TLS that did not succeed: 0, it may be tried again. */
static int attest_channel_again(const AttestChannel *channel, int result)
{
        int error = SSL_get_error(channel->tls, result);

        ERR_clear_error();
        if (error == SSL_ERROR_WANT_READ)
                return attest_channel_wait(channel, POLLIN);
        if (error == SSL_ERROR_WANT_WRITE)
                return attest_channel_wait(channel, POLLOUT);
        return error == SSL_ERROR_ZERO_RETURN ? -ECONNRESET : -EPROTO;
}

static int attest_channel_connect_to(AttestChannel *channel, const struct addrinfo *address)
{
        socklen_t size = sizeof(int);
        int error = 0, r = 0;

        if (channel->fd >= 0)
                close(TAKE_FD(channel->fd));
        channel->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (channel->fd < 0)
                return -errno;
        if (connect(channel->fd, address->ai_addr, address->ai_addrlen) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return -errno;
        r = attest_channel_wait(channel, POLLOUT);
        if (r == 0 && getsockopt(channel->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                r = -errno;
        return r < 0 ? r : -error;
}

static int attest_channel_connect(AttestChannel *channel, const char *host, const char *port,
                                  char **ret_reason)
{
        const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        struct addrinfo *addresses;
        int r = getaddrinfo(host, port, &hints, &addresses);

        if (r != 0)
                return attest_channel_fail(-EHOSTUNREACH, ret_reason, gai_strerror(r));
        r = -EHOSTUNREACH;
        for (const struct addrinfo *at = addresses; at && r < 0 && r != -ETIMEDOUT;
             at = at->ai_next)
                r = attest_channel_connect_to(channel, at);
        freeaddrinfo(addresses);
        return r;
}

static int attest_channel_make_tls(AttestChannel *channel)
{
        channel->context = SSL_CTX_new(TLS_client_method());
        if (!channel->context)
                return -ENOMEM;
        SSL_CTX_set_verify(channel->context, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_session_cache_mode(channel->context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_max_cert_list(channel->context, 64 << 10);
        if (SSL_CTX_set_min_proto_version(channel->context, TLS1_3_VERSION) != 1 ||
            SSL_CTX_set1_groups_list(channel->context, "X25519:P-256") != 1)
                return -EIO;
        channel->tls = SSL_new(channel->context);
        return channel->tls && SSL_set_fd(channel->tls, channel->fd) == 1 ? 0 : -ENOMEM;
}

static int attest_channel_read_session(AttestChannel *channel)
{
        static const char label[] = ATTEST_EXPORTER_LABEL;
        _cleanup_(X509_freep) X509 *certificate = SSL_get1_peer_certificate(channel->tls);
        AttestSession *session = &channel->session;
        HashDigest digest;
        uint8_t *der = NULL;
        int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : -1, r;

        if (size <= 0 || SSL_version(channel->tls) != TLS1_3_VERSION)
                return -EPROTO;
        r = hash_bytes(HASH_SHA256, der, (size_t)size, &digest);
        OPENSSL_free(der);
        if (r < 0)
                return r;
        memcpy(session->spki, digest.bytes, sizeof(session->spki));
        return SSL_export_keying_material(channel->tls, session->exporter,
                                          sizeof(session->exporter), label, strlen(label), NULL, 0,
                                          1) == 1 &&
                               RAND_bytes(session->random, sizeof(session->random)) == 1
                       ? 0
                       : -EIO;
}

static int attest_channel_shake_hands(AttestChannel *channel)
{
        int r = attest_channel_make_tls(channel), result;

        while (r == 0 && (result = SSL_connect(channel->tls)) != 1)
                r = attest_channel_again(channel, result);
        return r < 0 ? r : attest_channel_read_session(channel);
}

static const char *attest_channel_reason(int r)
{
        switch (-r) {
        case ETIMEDOUT:
                return "the guest does not answer in time";
        case ECONNRESET:
                return "the guest closed the connection";
        case EPROTO:
                return "the guest does not speak TLS 1.3 there, or broke it off";
        default:
                return strerrordesc_np(-r) ?: "unknown error";
        }
}

int attest_channel_open(const char *host, const char *port, unsigned msec, AttestChannel **ret,
                        char **ret_reason)
{
        _cleanup_(attest_channel_closep) AttestChannel *channel = calloc(1, sizeof(*channel));
        int r;

        if (!channel)
                return -ENOMEM;
        channel->fd = -1;
        channel->deadline = clock_monotonic_msec() + msec;
        r = attest_channel_connect(channel, host, port, ret_reason);
        if (r == 0)
                r = attest_channel_shake_hands(channel);
        if (r < 0)
                return attest_channel_fail(r, ret_reason, attest_channel_reason(r));
        *ret = TAKE_PTR(channel);
        return 0;
}

static int attest_channel_send(AttestChannel *channel, const char *text, size_t size)
{
        int r = 0;

        while (r == 0 && size > 0) {
                int n = SSL_write(channel->tls, text, (int)size);

                if (n > 0) {
                        text += n;
                        size -= (size_t)n;
                } else {
                        r = attest_channel_again(channel, n);
                }
        }
        return r;
}

static int attest_channel_grow(AttestChannel *channel)
{
        size_t room = channel->room ? 2 * channel->room : READ_SIZE;
        char *line;

        if (channel->room - channel->size >= READ_SIZE)
                return 0;
        line = realloc(channel->line, room);
        if (!line)
                return -ENOMEM;
        channel->line = line;
        channel->room = room;
        return 0;
}

/* One line, of which *ret_size is the length without its end. */
static int attest_channel_receive(AttestChannel *channel, size_t *ret_size)
{
        channel->size = 0;
        for (;;) {
                int r = attest_channel_grow(channel), n;
                char *end;

                if (r < 0)
                        return r;
                n = SSL_read(channel->tls, channel->line + channel->size, READ_SIZE);
                if (n <= 0) {
                        r = attest_channel_again(channel, n);
                        if (r < 0)
                                return r;
                        continue;
                }
                end = memchr(channel->line + channel->size, '\n', (size_t)n);
                channel->size += (size_t)n;
                if (end) {
                        *ret_size = (size_t)(end - channel->line);
                        return *ret_size + 1 == channel->size ? 0 : -EBADMSG;
                }
                if (channel->size >= ATTEST_ANSWER_MAX)
                        return -EBADMSG;
        }
}

static int attest_channel_read_answer(AttestChannel *channel, size_t size, json_object **ret,
                                      char **ret_reason)
{
        _cleanup_json_ json_object *answer = NULL;
        const char *message;
        int r = json_parse(channel->line, size, &answer, NULL);

        if (r == -ENOMEM)
                return r;
        if (r < 0 || !json_object_is_type(answer, json_type_object))
                return attest_channel_fail(-EBADMSG, ret_reason,
                                           "the guest's answer is not a JSON object");
        if (json_member(answer, "error")) {
                message = json_member_string(json_member(answer, "error"), "message");
                *ret_reason = text_format("the guest answered an error: %s",
                                          message ?: "without a message");
                return -EREMOTEIO;
        }
        *ret = TAKE_PTR(answer);
        return 0;
}

int attest_channel_call(AttestChannel *channel, json_object *request, json_object **ret,
                        char **ret_reason)
{
        _cleanup_json_ json_object *owned = request;
        const char *text = json_text(owned);
        size_t size = 0;
        int r;

        if (!text)
                return -ENOMEM;
        r = attest_channel_send(channel, text, strlen(text));
        if (r == 0)
                r = attest_channel_send(channel, "\n", 1);
        if (r == 0)
                r = attest_channel_receive(channel, &size);
        if (r == -EBADMSG)
                return attest_channel_fail(r, ret_reason,
                                           "the guest's answer is not one line of at most 8 MiB");
        if (r < 0)
                return attest_channel_fail(r, ret_reason, attest_channel_reason(r));
        return attest_channel_read_answer(channel, size, ret, ret_reason);
}
