/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SHA-256 (FIPS 180-4) as lowercase hex. */

#include "base/macros.h"

#define DIGEST_HEX_SIZE 65

void digest_data(const void *data, size_t size, char ret[static DIGEST_HEX_SIZE]);

/* The digest and size of a file of at most `max` bytes, read to its end. Returns 0, -EFBIG or
 * -errno. */
int digest_file(int fd, size_t max, char ret[static DIGEST_HEX_SIZE], size_t *ret_size);
