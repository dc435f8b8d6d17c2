/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* HMAC-SHA256 (RFC 2104, FIPS 180-4) as lowercase hex. Who has the key sees by it that two texts
 * are the same; to anybody else it says nothing of the text, however easy that is to guess. */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/sha.h>

#include "base/macros.h"

#define MAC_KEY_SIZE 32
#define MAC_HEX_SIZE 65

typedef struct Mac {
        SHA256_CTX inner, outer;
} Mac;

void mac_init(Mac *mac, const uint8_t key[static MAC_KEY_SIZE]);
void mac_add(Mac *mac, const void *data, size_t size);
/* A file of at most `max` bytes, read to its end. Returns 0, -EFBIG or -errno. */
int mac_add_file(Mac *mac, int fd, size_t max, size_t *ret_size);
/* Clears what the key has left in *mac. */
void mac_finish(Mac *mac, char ret[static MAC_HEX_SIZE]);
