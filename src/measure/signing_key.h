/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A private key of P-256 or P-384 that signs statements about what is measured: CoRIM (cose.h) and
 * SEV-SNP's ID block (id_auth.h). Numbers are big-endian here.
 *
 * Sources: SEC 1 (ECDSA); RFC 7468 (PEM), RFC 5958 and RFC 5915 (what is in it).
 */

#include "base/hash.h"
#include "measure/bytes.h"

#define KEY_NUMBER_MAX 48        /* bytes of a number of P-384 */
#define KEY_FILE_MAX (64u << 10) /* bytes of a PEM file, with comments and certificates */

typedef enum KeyCurve {
        KEY_P256 = 1 << 0, /* with SHA-256 */
        KEY_P384 = 1 << 1, /* with SHA-384 */
} KeyCurve;

typedef struct SigningKey SigningKey;

/* curves: those allowed. Returns 0, -ENOMEM, or -EINVAL with the reason (static): no PEM, no
 * private key, encrypted, not of elliptic curves, another curve, or halves that do not match. */
int signing_key_parse(Bytes pem, unsigned curves, SigningKey **ret, const char **ret_reason);
SigningKey *signing_key_free(SigningKey *key);
DEFINE_CLEANUP(SigningKey *, signing_key_free)

KeyCurve signing_key_curve(const SigningKey *key);
size_t signing_key_size(const SigningKey *key); /* bytes of a number: 32 or 48 */

/* The signature of the data's digest; each number is padded to signing_key_size(). All return 0 or
 * -EIO. */
int signing_key_sign(const SigningKey *key, const void *data, size_t size,
                     uint8_t ret_r[static KEY_NUMBER_MAX], uint8_t ret_s[static KEY_NUMBER_MAX]);
int signing_key_public(const SigningKey *key, uint8_t ret_x[static KEY_NUMBER_MAX],
                       uint8_t ret_y[static KEY_NUMBER_MAX]);
/* SHA-256 of the public key (DER SubjectPublicKeyInfo, RFC 5280). */
int signing_key_id(const SigningKey *key, HashDigest *ret);
