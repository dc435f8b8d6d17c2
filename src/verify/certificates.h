/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * X.509 certificates from files, and chains of them, by libcrypto. Nothing is fetched: whether a
 * certificate was revoked is not asked.
 */

#include <openssl/x509.h>
#include <time.h>

#include "base/error.h"
#include "base/hash.h"
#include "measure/bytes.h"

#define CERTIFICATES_MAX 16
#define CERTIFICATES_FILE_MAX (64u << 10) /* bytes */

typedef struct Certificates {
        X509 *items[CERTIFICATES_MAX]; /* owned */
        size_t n;
} Certificates;

void certificates_done(Certificates *certificates);

/* Adds all of a PEM file, which may end in NUL bytes, or the one of a DER file. ArtifactInvalid
 * `name`: none, too many, or something that is not a certificate between or behind them. */
int certificates_add(Certificates *certificates, const char *name, Bytes file, CvmError *error);
/* Adds the one certificate of a DER file; ArtifactInvalid likewise. */
int certificates_add_der(Certificates *certificates, const char *name, Bytes file, CvmError *error);

/* The first that is signed by itself, or NULL. */
X509 *certificates_root(const Certificates *certificates);

/* Whether the leaf is signed, through any of the others, by this root, and all of them are valid at
 * that time. Returns 0, -ENOMEM, or -EKEYREJECTED, then *ret_reason, owned by the caller, names the
 * certificate (0 is the leaf), why, its dates or its issuer. */
int certificates_verify(const Certificates *certificates, X509 *leaf, X509 *root, time_t at,
                        char **ret_reason);

/* A root that is known: SHA-256 of its SubjectPublicKeyInfo. */
typedef struct KnownRoot {
        const char *name;
        uint8_t key[SHA256_SIZE];
} KnownRoot;

/* Returns NULL if root is not among them; `known` is ended by {}. */
const KnownRoot *certificate_known(X509 *root, const KnownRoot *known);

#define CERTIFICATE_NAME_MAX 65 /* ub-common-name of RFC 5280, and a NUL */

/* The subject's common name, cut if it is longer; what is not printable ASCII is '?'. */
void certificate_name(X509 *certificate, char ret[static CERTIFICATE_NAME_MAX]);
/* Whether that is the subject's common name. */
bool certificate_is_named(X509 *certificate, const char *name);
/* The value of the extension with that dotted number; not given: there is none. Borrowed. */
Bytes certificate_extension(X509 *certificate, const char *oid);
/* Of an extension that is an INTEGER from 0 to 255. Returns 0, -ENOENT or -EBADMSG. */
int certificate_extension_byte(X509 *certificate, const char *oid, uint8_t *ret);
