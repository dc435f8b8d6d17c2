/* SPDX-License-Identifier: Apache-2.0 */

/* Certificates in PEM or DER, and what is asked of them. */

#include "fuzz.h"
#include "verify/snp_product.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(certificates_done) Certificates certificates = {};
        static const KnownRoot nobody[] = {{}};
        _cleanup_free_ char *reason = NULL;
        char name[CERTIFICATE_NAME_MAX], text[SNP_NAME_MAX];
        uint8_t byte;

        if (certificates_add(&certificates, "cert-chain", (Bytes){data, size}, &error) < 0)
                return 0;
        certificate_is_named(certificates.items[0], "SEV-VCEK");
        certificate_extension(certificates.items[0], "1.3.6.1.4.1.3704.1.4");
        certificate_extension_byte(certificates.items[0], "1.3.6.1.4.1.3704.1.3.1", &byte);
        certificate_known(certificates.items[0], nobody);
        certificates_root(&certificates);
        certificate_name(certificates.items[0], name);
        snp_product_of_certificate(certificates.items[0], text);
        snp_product_vlek_provider(certificates.items[0], text);
        snp_product_of_chain(&certificates, text);
        certificates_verify(&certificates, certificates.items[0],
                            certificates.items[certificates.n - 1], 1767225600, &reason);
        return 0;
}
