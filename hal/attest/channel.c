/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"

struct ChannelKey {
        SSL_CTX *context;
        uint8_t spki[32];
};

struct Channel {
        SSL *ssl;
        int fd;
        AttestSession session; /* without a random */
        Buffer in;             /* what came behind the last line */
};

/* A certificate is only the envelope of the key. */
static X509 *channel_certify(EVP_PKEY *key)
{
        X509 *certificate = X509_new();
        X509_NAME *name;

        if (!certificate)
                return NULL;
        name = X509_get_subject_name(certificate);
        if (X509_set_version(certificate, X509_VERSION_3) == 1 &&
            ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
            ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "700101000000Z") == 1 &&
            ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"cvm-attest", -1,
                                       -1, 0) == 1 &&
            X509_set_issuer_name(certificate, name) == 1 &&
            X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0)
                return certificate;
        X509_free(certificate);
        return NULL;
}

static int channel_hash_key(EVP_PKEY *key, uint8_t ret[static 32])
{
        uint8_t *der = NULL;
        int size = i2d_PUBKEY(key, &der), done;

        done = size > 0 ? EVP_Digest(der, (size_t)size, ret, NULL, EVP_sha256(), NULL) : 0;
        OPENSSL_free(der);
        return done == 1 ? 0 : -EIO;
}

static SSL_CTX *channel_make_context(EVP_PKEY *key, X509 *certificate)
{
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());

        if (!context)
                return NULL;
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        /* A client that sends nothing but messages of TLS itself must meet its limit, too. */
        SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
        if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
            SSL_CTX_set_num_tickets(context, 0) == 1 &&
            SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
            SSL_CTX_use_certificate(context, certificate) == 1 &&
            SSL_CTX_use_PrivateKey(context, key) == 1)
                return context;
        SSL_CTX_free(context);
        return NULL;
}

ChannelKey *channel_key_new(void)
{
        _cleanup_(channel_key_freep) ChannelKey *channel_key = calloc(1, sizeof(*channel_key));
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *certificate = key ? channel_certify(key) : NULL;

        if (channel_key && certificate && channel_hash_key(key, channel_key->spki) == 0)
                channel_key->context = channel_make_context(key, certificate);
        X509_free(certificate);
        EVP_PKEY_free(key);
        return channel_key && channel_key->context ? TAKE_PTR(channel_key) : NULL;
}

ChannelKey *channel_key_free(ChannelKey *key)
{
        if (key)
                SSL_CTX_free(key->context);
        free(key);
        return NULL;
}

/* After a call of libssl's that returned `done`: waits for what it waits for. Returns 0 to call
 * again, or -errno. */
static int channel_wait(Channel *channel, int done, int64_t deadline)
{
        int error = SSL_get_error(channel->ssl, done);
        struct pollfd polled = {.fd = channel->fd};
        int64_t left = deadline - clock_monotonic_msec();

        if (error == SSL_ERROR_ZERO_RETURN)
                return -EPIPE;
        if (error == SSL_ERROR_SYSCALL)
                return -ECONNRESET;
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                return -EPROTO;
        if (left <= 0)
                return -ETIMEDOUT;
        polled.events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        return poll(&polled, 1, (int)left) < 0 && errno != EINTR ? -errno : 0;
}

static int channel_shake_hands(Channel *channel, int64_t deadline)
{
        int r = 0;

        while (r == 0) {
                int done = SSL_accept(channel->ssl);

                if (done == 1)
                        break;
                r = channel_wait(channel, done, deadline);
        }
        if (r == 0 &&
            SSL_export_keying_material(channel->ssl, channel->session.exporter,
                                       sizeof(channel->session.exporter), ATTEST_EXPORTER_LABEL,
                                       strlen(ATTEST_EXPORTER_LABEL), NULL, 0, 0) != 1)
                r = -EPROTO;
        return r;
}

int channel_open(const ChannelKey *key, int fd, int64_t msec, Channel **ret)
{
        _cleanup_(channel_closep) Channel *channel = calloc(1, sizeof(*channel));
        int64_t deadline = clock_monotonic_msec() + msec;
        int flags = fcntl(fd, F_GETFL), r;

        if (!channel)
                return -ENOMEM;
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        channel->fd = fd;
        channel->ssl = SSL_new(key->context);
        if (!channel->ssl || SSL_set_fd(channel->ssl, fd) != 1)
                return -ENOMEM;
        memcpy(channel->session.spki, key->spki, sizeof(key->spki));
        r = channel_shake_hands(channel, deadline);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(channel);
        return 0;
}

Channel *channel_close(Channel *channel)
{
        if (!channel)
                return NULL;
        if (channel->ssl && SSL_is_init_finished(channel->ssl))
                SSL_shutdown(channel->ssl); /* what cannot be sent at once is not */
        SSL_free(channel->ssl);
        buffer_done(&channel->in);
        explicit_bzero(&channel->session, sizeof(channel->session));
        free(channel);
        return NULL;
}

void channel_get_session(const Channel *channel, AttestSession *session)
{
        memcpy(session->spki, channel->session.spki, sizeof(session->spki));
        memcpy(session->exporter, channel->session.exporter, sizeof(session->exporter));
}

/* Takes a whole line out of what has come. Returns 1, 0 if there is none yet, or -errno. */
static int channel_take_line(Channel *channel, size_t max, char **ret, size_t *ret_size)
{
        Buffer *in = &channel->in;
        char *end = in->size ? memchr(in->data, '\n', in->size) : NULL;
        size_t size = end ? (size_t)(end - in->data) : in->size;
        Buffer line = {};

        if (size > max)
                return -EMSGSIZE;
        if (!end)
                return 0;
        if (buffer_append(&line, in->data, size) < 0)
                return -ENOMEM;
        buffer_consume(in, size + 1);
        *ret = buffer_take(&line);
        *ret_size = size;
        return *ret ? 1 : -ENOMEM;
}

int channel_read_line(Channel *channel, size_t max, int64_t msec, char **ret, size_t *ret_size)
{
        int64_t deadline = clock_monotonic_msec() + msec;
        char chunk[4096];
        int r;

        for (;;) {
                int n;

                r = channel_take_line(channel, max, ret, ret_size);
                if (r != 0)
                        return r < 0 ? r : 0;
                /* Also of one who sends without a pause. */
                if (clock_monotonic_msec() >= deadline)
                        return -ETIMEDOUT;
                n = SSL_read(channel->ssl, chunk, sizeof(chunk));
                r = n > 0 ? buffer_append(&channel->in, chunk, (size_t)n)
                          : channel_wait(channel, n, deadline);
                if (r < 0)
                        return r;
        }
}

int channel_write(Channel *channel, const char *data, size_t size, int64_t msec)
{
        int64_t deadline = clock_monotonic_msec() + msec;

        while (size > 0) {
                size_t written = 0;
                int done = SSL_write_ex(channel->ssl, data, size, &written);
                int r = done == 1 ? 0 : channel_wait(channel, done, deadline);

                if (r < 0)
                        return r;
                data += written;
                size -= written;
                if (size > 0 && clock_monotonic_msec() >= deadline)
                        return -ETIMEDOUT;
        }
        return 0;
}
