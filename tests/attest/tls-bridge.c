/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tls-bridge VERSION: the guest's end of one connection, for a test that plays the guest. It prints
 * the port that it listens on; then, once a client has come over TLS ("1.3", "1.2"), the exporter
 * and the SHA-256 of its public key in hex; then each line that the client sends, and sends each
 * line that it reads. Its key is made anew.
 */

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/attest_binding.h"
#include "base/hash.h"
#include "base/text.h"

static int bridge_listen(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) < 0)
                abort();
        printf("%u\n", ntohs(address.sin_port));
        return fd;
}

static X509 *bridge_certify(EVP_PKEY *key)
{
        X509 *certificate = X509_new();

        X509_set_version(certificate, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 1); /* nobody judges it */
        X509_set_pubkey(certificate, key);
        if (X509_sign(certificate, key, EVP_sha256()) == 0)
                abort();
        return certificate;
}

static void bridge_print_session(SSL *tls, X509 *certificate)
{
        static const char label[] = ATTEST_EXPORTER_LABEL;
        _cleanup_free_ char *exporter = NULL, *spki = NULL;
        uint8_t bytes[32], *der = NULL;
        HashDigest digest;
        int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

        if (size <= 0 || hash_bytes(HASH_SHA256, der, (size_t)size, &digest) < 0 ||
            SSL_export_keying_material(tls, bytes, sizeof(bytes), label, strlen(label), NULL, 0,
                                       1) != 1)
                abort();
        exporter = text_hex(bytes, sizeof(bytes));
        spki = text_hex(digest.bytes, SHA256_SIZE);
        printf("%s %s\n", exporter, spki);
        OPENSSL_free(der);
}

/* A request, printed. */
static bool bridge_take_line(SSL *tls)
{
        char c = 0;

        while (c != '\n') {
                if (SSL_read(tls, &c, 1) != 1)
                        return false;
                putchar(c);
        }
        return true;
}

int main(int argc, char **argv)
{
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *certificate = bridge_certify(key);
        int version = argc > 1 && strcmp(argv[1], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        char *line = NULL;
        size_t room = 0;
        ssize_t n;
        SSL *tls;
        int fd;

        setlinebuf(stdout);
        SSL_CTX_set_max_proto_version(context, version);
        if (SSL_CTX_use_certificate(context, certificate) != 1 ||
            SSL_CTX_use_PrivateKey(context, key) != 1)
                abort();
        tls = SSL_new(context);
        fd = accept(bridge_listen(), NULL, NULL);
        if (fd < 0 || SSL_set_fd(tls, fd) != 1 || SSL_accept(tls) != 1)
                return 1;
        bridge_print_session(tls, certificate);
        while (bridge_take_line(tls)) {
                n = getline(&line, &room, stdin);
                if (n <= 0 || SSL_write(tls, line, (int)n) <= 0)
                        break;
        }
        free(line);
        SSL_free(tls);
        SSL_CTX_free(context);
        X509_free(certificate);
        EVP_PKEY_free(key);
        return 0;
}
