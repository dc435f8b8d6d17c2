/* SPDX-License-Identifier: Apache-2.0 */
#include "local/request.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "base/canonical.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "local/log.h"

#define KEY_FILE "key"
#define DIGEST_SIZE 16u /* bytes that are kept of a digest */

static int request_key_make(int state_dirfd, RequestKey *ret)
{
        RequestKey key;
        int r;

        if (getrandom(key.bytes, sizeof(key.bytes), 0) != sizeof(key.bytes))
                return -EIO;
        r = file_write_atomic_at(state_dirfd, KEY_FILE, key.bytes, sizeof(key.bytes), 0600);
        if (r == 0)
                *ret = key;
        explicit_bzero(&key, sizeof(key));
        return r;
}

int request_key_load(int state_dirfd, RequestKey *ret)
{
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        int r = file_read_at(state_dirfd, KEY_FILE, REQUEST_KEY_SIZE, &data, &size);

        if (r < 0 && r != -ENOENT && r != -EFBIG)
                return r;
        if (r == 0 && size == REQUEST_KEY_SIZE) {
                memcpy(ret->bytes, data, size);
                explicit_bzero(data, size);
                return 0;
        }
        if (r != -ENOENT)
                log_warning("file %s is damaged: launches that are repeated with their id will be "
                            "refused",
                            KEY_FILE);
        return request_key_make(state_dirfd, ret);
}

static int request_digest_value(json_object *value, char **ret)
{
        _cleanup_(buffer_done) Buffer text = {};
        HashDigest digest;
        int r = canonical_write(value, &text);

        if (r == 0)
                r = hash_bytes(HASH_SHA256, text.data, text.size, &digest);
        if (r < 0)
                return r;
        *ret = text_hex(digest.bytes, SHA256_SIZE);
        return *ret ? 0 : -ENOMEM;
}

int request_digest(json_object *spec, json_object **ret)
{
        _cleanup_json_ json_object *digests = json_object_new_object();

        json_object_object_foreach (spec, field, value) {
                _cleanup_free_ char *digest = NULL;
                int r;

                if (!value) /* null is the same as nothing */
                        continue;
                r = request_digest_value(value, &digest);
                if (r < 0)
                        return r;
                json_object_object_add(digests, field, json_object_new_string(digest));
                explicit_bzero(digest, strlen(digest));
        }
        *ret = TAKE_PTR(digests);
        return 0;
}

int request_seal(const RequestKey *key, json_object *digests)
{
        json_object_object_foreach (digests, field, value) {
                _cleanup_(buffer_done) Buffer text = {};
                _cleanup_free_ char *hex = NULL;
                uint8_t digest[EVP_MAX_MD_SIZE];

                if (buffer_append(&text, field, strlen(field) + 1) < 0 ||
                    buffer_append_text(&text, json_object_get_string(value)) < 0 ||
                    !HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), (const uint8_t *)text.data,
                          text.size, digest, NULL) ||
                    !(hex = text_hex(digest, DIGEST_SIZE)))
                        return -ENOMEM;
                json_clear_strings(value);
                json_object_set_string(value, hex);
        }
        return 0;
}

/* A field of `a` that `b` does not have, or not so. */
static const char *request_first_of(json_object *a, json_object *b)
{
        json_object_object_foreach (a, field, value) {
                const char *there = json_member_string(b, field);

                if (!there || strcmp(there, json_object_get_string(value)) != 0)
                        return field;
        }
        return NULL;
}

const char *request_difference(json_object *a, json_object *b)
{
        return request_first_of(a, b) ?: request_first_of(b, a);
}
