/* SPDX-License-Identifier: Apache-2.0 */

/* make-credential EK NAME SECRET: all in hex; prints what TPM2_ActivateCredential takes, a line
 * each. For tests/attest, which has a real TPM open it. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "verify/tpm_credential.h"

static size_t unhex(const char *hex, uint8_t *ret, size_t max)
{
        size_t size = strlen(hex) / 2;

        if (size > max || text_unhex(hex, ret, size) < 0)
                abort();
        return size;
}

int main(int argc, char **argv)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *blob = NULL, *shared = NULL;
        uint8_t public[TPM_PUBLIC_MAX], secret[64];
        TpmCredential credential;
        TpmPublic ek;
        TpmName name;
        size_t size;

        if (argc != 4)
                return 2;
        size = unhex(argv[1], public, sizeof(public));
        if (tpm_public_parse((Bytes){public, size}, "ek", &ek, &error) < 0)
                return 1;
        name.size = unhex(argv[2], name.bytes, sizeof(name.bytes));
        size = unhex(argv[3], secret, sizeof(secret));
        if (tpm_credential_make(&ek, &name, (Bytes){secret, size}, &credential) < 0)
                return 1;
        blob = text_hex(credential.blob, credential.blob_size);
        shared = text_hex(credential.secret, credential.secret_size);
        printf("%s\n%s\n", blob, shared);
        return 0;
}
