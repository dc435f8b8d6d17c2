/* SPDX-License-Identifier: Apache-2.0 */
#include "base/attest_binding.h"

#include <openssl/evp.h>
#include <string.h>

/* So that nothing else that such a key signs can be taken for this. */
static const char attest_domain[] = "io.cvmd.attest.v1";

/* A part: its length in four bytes, the highest first, and its bytes. Returns where it ends. */
static uint8_t *attest_binding_part(uint8_t *to, const void *data, size_t size)
{
        uint8_t length[4] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                             (uint8_t)size};

        memcpy(to, length, sizeof(length));
        memcpy(to + sizeof(length), data, size);
        return to + sizeof(length) + size;
}

int attest_binding(const AttestSession *session, uint8_t ret[static ATTEST_BINDING_SIZE])
{
        uint8_t text[4 * sizeof(uint32_t) + sizeof(attest_domain) - 1 + sizeof(AttestSession)];
        uint8_t *end = text;

        end = attest_binding_part(end, attest_domain, sizeof(attest_domain) - 1);
        end = attest_binding_part(end, session->random, sizeof(session->random));
        end = attest_binding_part(end, session->spki, sizeof(session->spki));
        end = attest_binding_part(end, session->exporter, sizeof(session->exporter));
        return EVP_Digest(text, (size_t)(end - text), ret, NULL, EVP_sha512(), NULL) == 1 ? 0
                                                                                          : -EIO;
}

int attest_binding_qualifier(const uint8_t binding[static ATTEST_BINDING_SIZE],
                             uint8_t ret[static ATTEST_QUALIFIER_SIZE])
{
        return EVP_Digest(binding, ATTEST_BINDING_SIZE, ret, NULL, EVP_sha256(), NULL) == 1 ? 0
                                                                                            : -EIO;
}
