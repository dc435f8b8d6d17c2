/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <tss2/tss2_mu.h>

#include "vtpm_internal.h"

/* A session that satisfies the endorsement key's policy, for one command. */
static TSS2_RC vtpm_open_policy(Vtpm *vtpm, ESYS_TR *ret)
{
        const TPMT_SYM_DEF symmetric = {.algorithm = TPM2_ALG_NULL};
        ESYS_TR session = ESYS_TR_NONE;
        TSS2_RC rc = Esys_StartAuthSession(vtpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY,
                                           &symmetric, TPM2_ALG_SHA256, &session);

        if (rc != TSS2_RC_SUCCESS)
                return rc;
        rc = Esys_PolicySecret(vtpm->esys, ESYS_TR_RH_ENDORSEMENT, session, ESYS_TR_PASSWORD,
                               ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL, NULL);
        if (rc != TSS2_RC_SUCCESS)
                Esys_FlushContext(vtpm->esys, session);
        else
                *ret = session;
        return rc;
}

/* Strictly: nothing may follow. */
static int vtpm_parse_credential(const uint8_t *credential, size_t credential_size,
                                 const uint8_t *secret, size_t secret_size, TPM2B_ID_OBJECT *ret,
                                 TPM2B_ENCRYPTED_SECRET *ret_secret, Lack *lack)
{
        size_t offset = 0;

        if (Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(credential, credential_size, &offset, ret) !=
                    TSS2_RC_SUCCESS ||
            offset != credential_size)
                return lack_set(lack, -EBADMSG, LACK_REFUSED, "credential: not a TPM2B_ID_OBJECT");
        offset = 0;
        if (Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(secret, secret_size, &offset, ret_secret) !=
                    TSS2_RC_SUCCESS ||
            offset != secret_size)
                return lack_set(lack, -EBADMSG, LACK_REFUSED,
                                "secret: not a TPM2B_ENCRYPTED_SECRET");
        return 0;
}

int vtpm_activate(Vtpm *vtpm, const uint8_t *credential, size_t credential_size,
                  const uint8_t *secret, size_t secret_size, VtpmBlob *ret, Lack *lack)
{
        TPM2B_ENCRYPTED_SECRET encrypted = {};
        TPM2B_ID_OBJECT object = {};
        TPM2B_DIGEST *digest = NULL;
        ESYS_TR session = ESYS_TR_NONE;
        TSS2_RC rc;
        int r = vtpm_parse_credential(credential, credential_size, secret, secret_size, &object,
                                      &encrypted, lack);

        if (r < 0)
                return r;
        rc = vtpm_open_policy(vtpm, &session);
        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, "the endorsement key's policy");
        rc = Esys_ActivateCredential(vtpm->esys, vtpm->ak, vtpm->ek, ESYS_TR_PASSWORD, session,
                                     ESYS_TR_NONE, &object, &encrypted, &digest);
        Esys_FlushContext(vtpm->esys, session);
        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, "activating the credential");
        memcpy(ret->bytes, digest->buffer, digest->size);
        ret->size = digest->size;
        explicit_bzero(digest->buffer, sizeof(digest->buffer));
        Esys_Free(digest);
        return 0;
}
