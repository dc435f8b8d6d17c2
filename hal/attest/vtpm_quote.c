/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "vtpm_internal.h"

#define VTPM_QUOTE_TRIES 4 /* a PCR may be extended between quote and reading */

static const struct {
        const char *name;
        TPM2_ALG_ID algorithm;
        size_t size;
} vtpm_banks[_VTPM_BANK_MAX] = {
        [VTPM_SHA256] = {"sha256", TPM2_ALG_SHA256, 32},
        [VTPM_SHA384] = {"sha384", TPM2_ALG_SHA384, 48},
};

const char *vtpm_bank_name(VtpmBank bank)
{
        return vtpm_banks[bank].name;
}

static TPML_PCR_SELECTION vtpm_select(VtpmBank bank, uint32_t pcrs)
{
        return (TPML_PCR_SELECTION){
                .count = 1,
                .pcrSelections = {{.hash = vtpm_banks[bank].algorithm,
                                   .sizeofSelect = 3,
                                   .pcrSelect = {(BYTE)pcrs, (BYTE)(pcrs >> 8),
                                                 (BYTE)(pcrs >> 16)}}},
        };
}

/* Reads up to eight registers of those that are left. */
static int vtpm_read_some(Vtpm *vtpm, VtpmBank bank, uint32_t *left, VtpmQuote *quote, Lack *lack)
{
        TPML_PCR_SELECTION wanted = vtpm_select(bank, *left), *got = NULL;
        const size_t size = vtpm_banks[bank].size;
        TPML_DIGEST *values = NULL;
        uint32_t seen = 0, n = 0;
        TSS2_RC rc = Esys_PCR_Read(vtpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted,
                                   NULL, &got, &values);

        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, "reading PCRs");
        if (got->count == 1 && got->pcrSelections[0].sizeofSelect == 3)
                for (int i = 0; i < 3; i++)
                        seen |= (uint32_t)got->pcrSelections[0].pcrSelect[i] << 8 * i;
        for (uint32_t i = 0; i < VTPM_PCRS; i++)
                if (seen & *left & UINT32_C(1) << i && n < values->count &&
                    values->digests[n].size == size)
                        memcpy(quote->pcrs[i], values->digests[n++].buffer, size);
        if (n == 0 || n != values->count)
                seen = 0;
        *left &= ~seen;
        Esys_Free(got);
        Esys_Free(values);
        return seen ? 0
                    : lack_set(lack, -ENOENT, LACK_ABSENT, "the TPM has no PCRs of %s",
                               vtpm_banks[bank].name);
}

static int vtpm_read_pcrs(Vtpm *vtpm, VtpmBank bank, VtpmQuote *quote, Lack *lack)
{
        uint32_t left = (UINT32_C(1) << VTPM_PCRS) - 1;
        int r = 0;

        while (left && r == 0)
                r = vtpm_read_some(vtpm, bank, &left, quote, lack);
        return r;
}

/* Whether the values are those that the quote is over: the digest is of the key's scheme, SHA-256,
 * for each bank (TPM 2.0 part 3, TPM2_Quote). */
static bool vtpm_quote_matches(const TPM2B_ATTEST *quoted, const VtpmQuote *quote)
{
        uint8_t text[VTPM_PCRS * VTPM_DIGEST_MAX], digest[32];
        TPMS_ATTEST attest;
        size_t offset = 0;

        for (size_t i = 0; i < VTPM_PCRS; i++)
                memcpy(text + i * quote->digest_size, quote->pcrs[i], quote->digest_size);
        return Tss2_MU_TPMS_ATTEST_Unmarshal(quoted->attestationData, quoted->size, &offset,
                                             &attest) == TSS2_RC_SUCCESS &&
               EVP_Digest(text, VTPM_PCRS * quote->digest_size, digest, NULL, EVP_sha256(), NULL) ==
                       1 &&
               attest.attested.quote.pcrDigest.size == sizeof(digest) &&
               memcmp(attest.attested.quote.pcrDigest.buffer, digest, sizeof(digest)) == 0;
}

/* Quotes and reads once. Returns 1, 0 if a register changed meanwhile, or -errno. */
static int vtpm_quote_once(Vtpm *vtpm, VtpmBank bank, const TPM2B_DATA *qualifier, VtpmQuote *quote,
                           Lack *lack)
{
        const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
        TPML_PCR_SELECTION selection = vtpm_select(bank, (UINT32_C(1) << VTPM_PCRS) - 1);
        TPMT_SIGNATURE *signature = NULL;
        TPM2B_ATTEST *attest = NULL;
        size_t size = 0;
        TSS2_RC rc = Esys_Quote(vtpm->esys, vtpm->ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                qualifier, &scheme, &selection, &attest, &signature);
        int r;

        if (rc != TSS2_RC_SUCCESS)
                return vtpm_explain(lack, rc, "quoting PCRs");
        r = vtpm_read_pcrs(vtpm, bank, quote, lack);
        if (r == 0)
                r = vtpm_quote_matches(attest, quote);
        if (r == 1) {
                rc = Tss2_MU_TPMT_SIGNATURE_Marshal(signature, quote->signature.bytes,
                                                    sizeof(quote->signature.bytes), &size);
                quote->signature.size = size;
                if (rc != TSS2_RC_SUCCESS || attest->size > sizeof(quote->attest.bytes))
                        r = lack_set(lack, -EFBIG, LACK_TOO_LARGE, "the quote is too large");
        }
        if (r == 1) {
                memcpy(quote->attest.bytes, attest->attestationData, attest->size);
                quote->attest.size = attest->size;
        }
        Esys_Free(attest);
        Esys_Free(signature);
        return r;
}

int vtpm_quote(Vtpm *vtpm, VtpmBank bank, const uint8_t qualifier[static VTPM_QUALIFIER_SIZE],
               VtpmQuote *ret, Lack *lack)
{
        TPM2B_DATA data = {.size = VTPM_QUALIFIER_SIZE};
        VtpmQuote quote = {.digest_size = vtpm_banks[bank].size};
        int r = vtpm_read_pcrs(vtpm, bank, &quote, lack);

        memcpy(data.buffer, qualifier, VTPM_QUALIFIER_SIZE);
        for (int i = 0; i < VTPM_QUOTE_TRIES && r == 0; i++)
                r = vtpm_quote_once(vtpm, bank, &data, &quote, lack);
        if (r == 0)
                return lack_set(lack, -EAGAIN, LACK_FAILED,
                                "the PCRs of %s change while they are quoted",
                                vtpm_banks[bank].name);
        if (r < 0)
                return r;
        *ret = quote;
        return 0;
}
