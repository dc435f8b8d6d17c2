/* SPDX-License-Identifier: Apache-2.0 */

/* Structures of a TPM: the first byte chooses a key, a quote or a signature. */

#include "fuzz.h"
#include "verify/tpm_attest.h"
#include "verify/tpm_credential.h"

static void fuzz_key(Bytes bytes, CvmError *error)
{
        TpmCredential credential;
        TpmPublic key;
        TpmName name;

        if (tpm_public_parse(bytes, "ek", &key, error) < 0)
                return;
        tpm_public_refuse_ak(&key);
        if (tpm_public_name(&key, &name) < 0)
                abort();
        if (!tpm_public_refuse_ek(&key))
                tpm_credential_make(&key, &name, (Bytes){(const uint8_t *)"secret", 6},
                                    &credential);
}

static void fuzz_quote(Bytes bytes, CvmError *error)
{
        HashDigest digest;
        TpmAttest attest;
        uint16_t bank;
        unsigned index;
        Pcrs pcrs = {};

        if (tpm_attest_parse(bytes, &attest, error) < 0)
                return;
        for (size_t i = 0; i < PCRS; i++)
                pcrs.has[HASH_SHA256][i] = true;
        tpm_attest_digest(&attest, &pcrs, HASH_SHA256, &digest, &bank, &index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        TpmSignature signature;
        Bytes rest = {data + 1, size - 1};

        if (size == 0)
                return 0;
        if (data[0] == 0)
                fuzz_key(rest, &error);
        else if (data[0] == 1)
                fuzz_quote(rest, &error);
        else
                tpm_signature_parse(rest, &signature, &error);
        return 0;
}
