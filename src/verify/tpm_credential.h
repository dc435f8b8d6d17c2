/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A secret that only the TPM of an EK can read, and only while it holds the key of a given name:
 * what TPM2_MakeCredential does, without a TPM. Who gets the secret back has seen that EK and AK
 * are of one TPM.
 *
 * Source: TCG, "TPM 2.0 Library", part 1, 24 (Credential Protection), 11.4.10 (KDFa, KDFe), B.10.3
 * and C.6.3 (how the seed is shared by RSA and ECDH); part 2, 12.4 and 11.4.33.
 */

#include "verify/tpm_public.h"

#define TPM_SECRET_MAX 32 /* bytes: no hash algorithm of an EK has a shorter digest */

/* The two inputs of TPM2_ActivateCredential, as it takes them. */
typedef struct TpmCredential {
        uint8_t blob[256]; /* TPM2B_ID_OBJECT */
        size_t blob_size;
        uint8_t secret[2 + 512]; /* TPM2B_ENCRYPTED_SECRET */
        size_t secret_size;
} TpmCredential;

/* secret: 1 to TPM_SECRET_MAX bytes. The EK must be one that tpm_public_refuse_ek() lets pass.
 * Returns 0, -EINVAL (secret, or not the numbers of a key), -ENOMEM or -EIO. */
int tpm_credential_make(const TpmPublic *ek, const TpmName *ak, Bytes secret, TpmCredential *ret);
