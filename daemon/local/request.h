/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a Launch with the id of a CVM asks for that CVM, or for another with the same id.
 *
 * Of a Launch with an id each field of its spec is kept as a keyed digest (HMAC-SHA-256 over the
 * field's name and the SHA-256 of its canonical value, canonical.h), so that secrets count and
 * cannot be found out from the record, not even by trying. The key is the state directory's own.
 * Fields count as they were given: a default that is given is not equal to one that is not, and a
 * descriptor is its index.
 */

#include <json-c/json.h>

#include "base/error.h"
#include "base/macros.h"

#define REQUEST_KEY_SIZE 32u

typedef struct RequestKey {
        uint8_t bytes[REQUEST_KEY_SIZE];
} RequestKey;

/* From the file `key` of the directory, which is made if it is not there. Syncs: before the loop
 * runs. 0 or -errno. */
int request_key_load(int state_dirfd, RequestKey *ret);

/* The digests of a JSON object's members without the key, as hex, which are as secret as it is. No
 * state is used: for any thread. 0, or -errno: -ENOMEM, -EIO, or what canonical_write() returns. */
int request_digest(json_object *spec, json_object **ret);
/* Puts those with the key in their place. 0 or -ENOMEM. */
int request_seal(const RequestKey *key, json_object *digests);

/* The name of the first field in which two differ, borrowed from either; NULL: they are equal. */
const char *request_difference(json_object *a, json_object *b);
