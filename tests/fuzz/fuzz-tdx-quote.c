/* SPDX-License-Identifier: Apache-2.0 */

/* TDX quotes, with the chain in them. */

#include "fuzz.h"
#include "verify/tdx_chain.h"
#include "verify/tdx_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(findings_done) Findings findings = {};
        Certificates none = {};
        Trust trust = {.others = &none, .at = 1767225600};
        TdxQuote quote;

        if (tdx_quote_parse((Bytes){data, size}, &quote, &error) < 0)
                return 0;
        tdx_check(&quote, NULL, NULL, &findings);
        tdx_chain_check(&quote, &trust, &findings, &error);
        json_object_put(findings_to_json(&findings));
        return 0;
}
