/* SPDX-License-Identifier: Apache-2.0 */

/* SEV-SNP reports, taken apart and compared. Behind the report, if there is more, a certificate. */

#include "fuzz.h"
#include "verify/snp_chain.h"
#include "verify/snp_check.h"

static void check(const SnpReport *report, X509 *leaf)
{
        _cleanup_(findings_done) Findings findings = {};
        Certificates none = {};
        Trust trust = {.leaf = leaf, .others = &none};
        uint8_t report_data[SNP_REPORT_DATA_SIZE] = {};

        snp_chain_check(report, &trust, &findings);
        snp_check(report, NULL, report_data, &findings);
        json_object_put(findings_to_json(&findings));
        if (findings_verdict(&findings) == VERDICT_VERIFIED)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {}, other = {};
        _cleanup_(certificates_done) Certificates certificates = {};
        SnpReport report;
        size_t first = size < SNP_REPORT_SIZE ? size : SNP_REPORT_SIZE;

        if (size > first)
                certificates_add(&certificates, "vcek", (Bytes){data + first, size - first},
                                 &other);
        if (snp_report_parse((Bytes){data, first}, &report, &error) == 0)
                check(&report, certificates.n ? certificates.items[0] : NULL);
        return 0;
}
