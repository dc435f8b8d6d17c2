/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_tcti_device.h>

#include "vtpm_internal.h"

int vtpm_explain(Lack *lack, TSS2_RC rc, const char *what)
{
        /* Format one has the parameter's number in bits 8 to 11 (TPM 2.0 part 2, TPM_RC). */
        TSS2_RC code = rc & TPM2_RC_FMT1 ? rc & (TPM2_RC_FMT1 | 0x3f) : rc & 0xfff;

        if ((rc & TSS2_RC_LAYER_MASK) == 0 && rc == TPM2_RC_LOCKOUT)
                return lack_set(lack, -EAGAIN, LACK_LOCKED_OUT,
                                "%s: the TPM is locked out after too many wrong passwords", what);
        if ((rc & TSS2_RC_LAYER_MASK) == 0 &&
            (code == TPM2_RC_INTEGRITY || code == TPM2_RC_VALUE || code == TPM2_RC_SIZE ||
             code == TPM2_RC_ECC_POINT || code == TPM2_RC_INSUFFICIENT || code == TPM2_RC_KEY))
                return lack_set(lack, -EBADMSG, LACK_REFUSED,
                                "%s: the TPM refuses the value (0x%x)", what, rc);
        return lack_set(lack, -EIO, LACK_FAILED, "%s: the TPM answers 0x%x", what, rc);
}

static void vtpm_add_vendor(char *vendor, size_t size, UINT32 value)
{
        size_t length = strlen(vendor);

        for (int shift = 24; shift >= 0 && length + 1 < size; shift -= 8) {
                char c = (char)(value >> shift);

                if (c > ' ' && c <= '~')
                        vendor[length++] = c;
        }
        vendor[length] = 0;
}

/* Decoration: without it the vendor is empty. */
static void vtpm_read_vendor(Vtpm *vtpm)
{
        TPMS_CAPABILITY_DATA *data = NULL;
        TPMI_YES_NO more;

        if (Esys_GetCapability(vtpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER, 5, &more,
                               &data) != TSS2_RC_SUCCESS)
                return;
        for (UINT32 i = 0; i < data->data.tpmProperties.count; i++) {
                TPMS_TAGGED_PROPERTY *property = data->data.tpmProperties.tpmProperty + i;

                if (property->property <= TPM2_PT_VENDOR_STRING_4)
                        vtpm_add_vendor(vtpm->identity.vendor, sizeof(vtpm->identity.vendor),
                                        property->value);
        }
        Esys_Free(data);
}

static int vtpm_connect(Vtpm *vtpm, const char *device, Lack *lack)
{
        size_t size = 0;
        TSS2_RC rc;

        if (access(device, F_OK) < 0)
                return lack_set(lack, -ENOENT, LACK_ABSENT, "this machine has no TPM (%s)", device);
        rc = Tss2_Tcti_Device_Init(NULL, &size, NULL);
        if (rc == TSS2_RC_SUCCESS) {
                vtpm->tcti = calloc(1, size);
                if (!vtpm->tcti)
                        return lack_set(lack, -ENOMEM, LACK_FAILED, "out of memory");
                rc = Tss2_Tcti_Device_Init(vtpm->tcti, &size, device);
                if (rc != TSS2_RC_SUCCESS) {
                        free(TAKE_PTR(vtpm->tcti));
                        return vtpm_explain(lack, rc, "opening the TPM");
                }
                rc = Esys_Initialize(&vtpm->esys, vtpm->tcti, NULL);
        }
        return rc == TSS2_RC_SUCCESS ? 0 : vtpm_explain(lack, rc, "connecting to the TPM");
}

/* Which kind to try first, with its certificate if it has one. */
static VtpmKind vtpm_choose(Vtpm *vtpm, VtpmKind kind)
{
        VtpmIdentity *identity = &vtpm->identity;
        Lack other;

        if (kind != VTPM_ANY) {
                vtpm_read_certificate(vtpm, kind, &identity->ek_certificate,
                                      &identity->ek_certificate_size, &identity->no_certificate);
                return kind;
        }
        if (vtpm_read_certificate(vtpm, VTPM_ECC, &identity->ek_certificate,
                                  &identity->ek_certificate_size, &identity->no_certificate) == 0)
                return VTPM_ECC;
        if (vtpm_read_certificate(vtpm, VTPM_RSA, &identity->ek_certificate,
                                  &identity->ek_certificate_size, &other) == 0)
                return VTPM_RSA;
        return VTPM_ECC;
}

int vtpm_open(const char *device, VtpmKind kind, Vtpm **ret, Lack *lack)
{
        _cleanup_(vtpm_freep) Vtpm *vtpm = calloc(1, sizeof(*vtpm));
        VtpmKind first;
        int r;

        if (!vtpm)
                return lack_set(lack, -ENOMEM, LACK_FAILED, "out of memory");
        vtpm->ek = vtpm->ak = ESYS_TR_NONE;
        r = vtpm_connect(vtpm, device, lack);
        if (r < 0)
                return r;
        vtpm_read_vendor(vtpm);
        first = vtpm_choose(vtpm, kind);
        r = vtpm_make_keys(vtpm, first, lack);
        /* A TPM without elliptic curves. */
        if (r < 0 && kind == VTPM_ANY && first == VTPM_ECC && !vtpm->identity.ek_certificate)
                r = vtpm_make_keys(vtpm, VTPM_RSA, lack);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(vtpm);
        return 0;
}

Vtpm *vtpm_free(Vtpm *vtpm)
{
        if (!vtpm)
                return NULL;
        if (vtpm->esys) {
                if (vtpm->ak != ESYS_TR_NONE)
                        Esys_FlushContext(vtpm->esys, vtpm->ak);
                if (vtpm->ek != ESYS_TR_NONE)
                        Esys_FlushContext(vtpm->esys, vtpm->ek);
                Esys_Finalize(&vtpm->esys);
        }
        if (vtpm->tcti) {
                Tss2_Tcti_Finalize(vtpm->tcti);
                free(vtpm->tcti);
        }
        free(vtpm->identity.ek_certificate);
        free(vtpm);
        return NULL;
}

const VtpmIdentity *vtpm_identity(const Vtpm *vtpm)
{
        return &vtpm->identity;
}
