/* SPDX-License-Identifier: Apache-2.0 */

/* The endorsement key and its certificate, by the TCG EK Credential Profile for TPM 2.0, version
 * 2.5, appendix B.3 (templates L-1 and L-2) and 2.2.1.4 (NV indices). */
#include <string.h>
#include <tss2/tss2_mu.h>

#include "vtpm_internal.h"

#define VTPM_NV_RSA_CERTIFICATE 0x01c00002
#define VTPM_NV_ECC_CERTIFICATE 0x01c0000a
#define VTPM_NV_CHUNK 512 /* bytes that every TPM can read at once */

/* PolicySecret(TPM_RH_ENDORSEMENT). */
static const TPM2B_DIGEST vtpm_ek_policy = {
        .size = 32,
        .buffer = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
                   0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
                   0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa},
};

static TPM2B_PUBLIC vtpm_ek_template(VtpmKind kind)
{
        const TPMT_SYM_DEF_OBJECT aes = {
                .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
        TPM2B_PUBLIC template = {
                .publicArea = {
                        .type = kind == VTPM_RSA ? TPM2_ALG_RSA : TPM2_ALG_ECC,
                        .nameAlg = TPM2_ALG_SHA256,
                        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                            TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                            TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED |
                                            TPMA_OBJECT_DECRYPT,
                        .authPolicy = vtpm_ek_policy,
                }};

        if (kind == VTPM_RSA) {
                template.publicArea.parameters.rsaDetail = (TPMS_RSA_PARMS){
                        .symmetric = aes, .scheme.scheme = TPM2_ALG_NULL, .keyBits = 2048};
                template.publicArea.unique.rsa.size = 256;
        } else {
                template.publicArea.parameters.eccDetail =
                        (TPMS_ECC_PARMS){.symmetric = aes,
                                         .scheme.scheme = TPM2_ALG_NULL,
                                         .curveID = TPM2_ECC_NIST_P256,
                                         .kdf.scheme = TPM2_ALG_NULL};
                template.publicArea.unique.ecc.x.size = 32;
                template.publicArea.unique.ecc.y.size = 32;
        }
        return template;
}

static TPM2B_PUBLIC vtpm_ak_template(VtpmKind kind)
{
        TPM2B_PUBLIC template = {
                .publicArea = {
                        .type = kind == VTPM_RSA ? TPM2_ALG_RSA : TPM2_ALG_ECC,
                        .nameAlg = TPM2_ALG_SHA256,
                        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                            TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                            TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
                                            TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT,
                }};

        if (kind == VTPM_RSA)
                template.publicArea.parameters.rsaDetail =
                        (TPMS_RSA_PARMS){.symmetric.algorithm = TPM2_ALG_NULL,
                                         .scheme = {.scheme = TPM2_ALG_RSASSA,
                                                    .details.rsassa.hashAlg = TPM2_ALG_SHA256},
                                         .keyBits = 2048};
        else
                template.publicArea.parameters.eccDetail =
                        (TPMS_ECC_PARMS){.symmetric.algorithm = TPM2_ALG_NULL,
                                         .scheme = {.scheme = TPM2_ALG_ECDSA,
                                                    .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
                                         .curveID = TPM2_ECC_NIST_P256,
                                         .kdf.scheme = TPM2_ALG_NULL};
        return template;
}

static int vtpm_make_key(Vtpm *vtpm, ESYS_TR hierarchy, const TPM2B_PUBLIC *template, ESYS_TR *ret,
                         VtpmBlob *ret_public, const char *what, Lack *lack)
{
        const TPM2B_SENSITIVE_CREATE sensitive = {};
        const TPM2B_DATA outside = {};
        const TPML_PCR_SELECTION pcrs = {};
        TPM2B_PUBLIC *public = NULL;
        size_t size = 0;
        TSS2_RC rc = Esys_CreatePrimary(vtpm->esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &sensitive, template, &outside, &pcrs, ret,
                                        &public, NULL, NULL, NULL);

        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, what);
        rc = Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, ret_public->bytes,
                                         sizeof(ret_public->bytes), &size);
        Esys_Free(public);
        ret_public->size = size;
        return rc == TSS2_RC_SUCCESS ? 0 : vtpm_explain(lack, rc, what);
}

int vtpm_make_keys(Vtpm *vtpm, VtpmKind kind, Lack *lack)
{
        TPM2B_PUBLIC ek = vtpm_ek_template(kind), ak = vtpm_ak_template(kind);
        int r;

        r = vtpm_make_key(vtpm, ESYS_TR_RH_ENDORSEMENT, &ek, &vtpm->ek, &vtpm->identity.ek_public,
                          "making the endorsement key", lack);
        if (r < 0)
                return r;
        vtpm->identity.kind = kind;
        r = vtpm_make_key(vtpm, ESYS_TR_RH_NULL, &ak, &vtpm->ak, &vtpm->identity.ak_public,
                          "making the attestation key", lack);
        if (r < 0) { /* a TPM has room for a few keys only, and another kind may be tried */
                Esys_FlushContext(vtpm->esys, vtpm->ek);
                vtpm->ek = ESYS_TR_NONE;
        }
        return r;
}

/* The bytes of the certificate itself: some TPMs fill the index up behind it. 0: not one. */
static size_t vtpm_der_size(const uint8_t *data, size_t size)
{
        size_t length;

        if (size < 4 || data[0] != 0x30)
                return 0;
        if (data[1] == 0x82)
                length = 4 + ((size_t)data[2] << 8 | data[3]);
        else if (data[1] == 0x81)
                length = 3 + (size_t)data[2];
        else
                return 0;
        return length <= size ? length : 0;
}

static TSS2_RC vtpm_read_index(Vtpm *vtpm, ESYS_TR index, uint8_t *to, size_t size)
{
        for (size_t offset = 0; offset < size;) {
                size_t chunk = size - offset < VTPM_NV_CHUNK ? size - offset : VTPM_NV_CHUNK;
                TPM2B_MAX_NV_BUFFER *data = NULL;
                TSS2_RC rc = Esys_NV_Read(vtpm->esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                          ESYS_TR_NONE, (UINT16)chunk, (UINT16)offset, &data);

                if (rc == TSS2_RC_SUCCESS && data->size != chunk)
                        rc = TPM2_RC_NV_RANGE;
                if (rc == TSS2_RC_SUCCESS)
                        memcpy(to + offset, data->buffer, chunk);
                Esys_Free(data);
                if (rc != TSS2_RC_SUCCESS)
                        return rc;
                offset += chunk;
        }
        return TSS2_RC_SUCCESS;
}

static int vtpm_read_open_index(Vtpm *vtpm, ESYS_TR index, uint8_t **ret, size_t *ret_size,
                                Lack *lack)
{
        _cleanup_free_ uint8_t *data = NULL;
        TPM2B_NV_PUBLIC *public = NULL;
        size_t size;
        TSS2_RC rc = Esys_NV_ReadPublic(vtpm->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        &public, NULL);

        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, "the endorsement key's certificate");
        size = public->nvPublic.dataSize;
        Esys_Free(public);
        if (size > VTPM_CERTIFICATE_MAX)
                return lack_set(lack, -EFBIG, LACK_TOO_LARGE,
                                "the endorsement key's certificate has more than %d bytes",
                                VTPM_CERTIFICATE_MAX);
        data = calloc(1, size + 1);
        if (!data)
                return lack_set(lack, -ENOMEM, LACK_FAILED, "out of memory");
        rc = vtpm_read_index(vtpm, index, data, size);
        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, "the endorsement key's certificate");
        size = vtpm_der_size(data, size);
        if (size == 0)
                return lack_set(lack, -EBADMSG, LACK_FAILED,
                                "the endorsement key's certificate is not DER");
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

/* Whether the TPM has that index; asked before it is used, since the library logs errors. */
static bool vtpm_has_index(Vtpm *vtpm, TPM2_HANDLE handle)
{
        TPMS_CAPABILITY_DATA *data = NULL;
        TPMI_YES_NO more;
        bool has;

        if (Esys_GetCapability(vtpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               TPM2_CAP_HANDLES, handle, 1, &more, &data) != TSS2_RC_SUCCESS)
                return false;
        has = data->data.handles.count > 0 && data->data.handles.handle[0] == handle;
        Esys_Free(data);
        return has;
}

int vtpm_read_certificate(Vtpm *vtpm, VtpmKind kind, uint8_t **ret, size_t *ret_size, Lack *lack)
{
        TPM2_HANDLE handle = kind == VTPM_RSA ? VTPM_NV_RSA_CERTIFICATE : VTPM_NV_ECC_CERTIFICATE;
        ESYS_TR index = ESYS_TR_NONE;
        TSS2_RC rc;
        int r;

        if (!vtpm_has_index(vtpm, handle))
                return lack_set(lack, -ENOENT, LACK_ABSENT,
                                "the TPM has no certificate of its endorsement key");
        rc = Esys_TR_FromTPMPublic(vtpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &index);
        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, "the endorsement key's certificate");
        r = vtpm_read_open_index(vtpm, index, ret, ret_size, lack);
        Esys_TR_Close(vtpm->esys, &index);
        return r;
}
