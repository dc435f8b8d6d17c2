/* SPDX-License-Identifier: Apache-2.0 */

/* The daemon's digests go through EVP, which a static program pays for with 3.5 MB of providers and
 * a dlopen() that cannot work; the plain functions are a few hundred lines of the same library. */
#include "mac.h"

#include <string.h>

static void start(SHA256_CTX *context, const uint8_t key[static MAC_KEY_SIZE], uint8_t pad)
{
        uint8_t block[SHA256_CBLOCK];

        memset(block, pad, sizeof(block));
        for (size_t i = 0; i < MAC_KEY_SIZE; i++)
                block[i] ^= key[i];
        SHA256_Init(context);
        SHA256_Update(context, block, sizeof(block));
        explicit_bzero(block, sizeof(block));
}

void mac_init(Mac *mac, const uint8_t key[static MAC_KEY_SIZE])
{
        start(&mac->inner, key, 0x36);
        start(&mac->outer, key, 0x5c);
}

void mac_add(Mac *mac, const void *data, size_t size)
{
        SHA256_Update(&mac->inner, data, size);
}

int mac_add_file(Mac *mac, int fd, size_t max, size_t *ret_size)
{
        char buffer[65536];
        size_t size = 0;

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
                mac_add(mac, buffer, (size_t)n);
        }
        *ret_size = size;
        return 0;
}

void mac_finish(Mac *mac, char ret[static MAC_HEX_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        uint8_t digest[SHA256_DIGEST_LENGTH];

        SHA256_Final(digest, &mac->inner);
        SHA256_Update(&mac->outer, digest, sizeof(digest));
        SHA256_Final(digest, &mac->outer);
        for (size_t i = 0; i < sizeof(digest); i++) {
                ret[2 * i] = digits[digest[i] >> 4];
                ret[2 * i + 1] = digits[digest[i] & 15];
        }
        ret[2 * sizeof(digest)] = 0;
        explicit_bzero(mac, sizeof(*mac));
}
