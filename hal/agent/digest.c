/* SPDX-License-Identifier: Apache-2.0 */

/* The daemon's digests go through EVP, which a static program pays for with 3.5 MB of providers and
 * a dlopen() that cannot work; the plain functions are a few hundred lines of the same library. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "digest.h"

#include <openssl/sha.h>
#include <string.h>

static void finish(SHA256_CTX *context, char ret[static DIGEST_HEX_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        uint8_t digest[SHA256_DIGEST_LENGTH];

        SHA256_Final(digest, context);
        for (size_t i = 0; i < sizeof(digest); i++) {
                ret[2 * i] = digits[digest[i] >> 4];
                ret[2 * i + 1] = digits[digest[i] & 15];
        }
        ret[2 * sizeof(digest)] = 0;
}

void digest_data(const void *data, size_t size, char ret[static DIGEST_HEX_SIZE])
{
        SHA256_CTX context;

        SHA256_Init(&context);
        SHA256_Update(&context, data, size);
        finish(&context, ret);
}

int digest_file(int fd, size_t max, char ret[static DIGEST_HEX_SIZE], size_t *ret_size)
{
        char buffer[65536];
        SHA256_CTX context;
        size_t size = 0;

        SHA256_Init(&context);
        for (;;) {
                ssize_t n = read(fd, buffer, sizeof(buffer));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > max)
                        return -EFBIG;
                SHA256_Update(&context, buffer, (size_t)n);
        }
        finish(&context, ret);
        *ret_size = size;
        return 0;
}
