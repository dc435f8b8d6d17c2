/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A measurement as CoRIM (Concise Reference Integrity Manifest): the reference values that a
 * verifier compares evidence with. One CoMID whose reference triples name an environment by vendor
 * and model; cvm-measure(7) describes the profile.
 *
 * Sources: draft-ietf-rats-corim-10 (corim-map, concise-mid-tag, reference-triple-record,
 * integrity-registers; tags 501 and 506; COSE_Sign1 with corim-meta: section "Signed CoRIM"); IANA,
 * "Named Information Hash Algorithm Registry" (SHA-256 is 1, SHA-384 is 7); RFC 9052 (COSE_Sign1),
 * RFC 9053 (ES256, ES384).
 *
 * Encoded deterministically (cbor.h): equal registers give equal bytes.
 */

#include "measure/measurement.h"
#include "measure/signing_key.h"

#define CORIM_PROFILE "tag:cvmd.io,2026:reference-values/1"

/* Registers without a value are left out. Returns 0, -ENODATA if none has one, -ENOMEM or -EIO. The
 * bytes are the caller's to free. */
int corim_encode(const Measurement *measurement, uint8_t **ret, size_t *ret_size);

/* Wraps an encoded CoRIM into COSE_Sign1. `signer` names who signs; NULL: the key's id (SHA-256 of
 * its public half) in hex. 0, -ENOMEM or -EIO. */
int corim_sign(const uint8_t *corim, size_t size, const SigningKey *key, const char *signer,
               uint8_t **ret, size_t *ret_size);
