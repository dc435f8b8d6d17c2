/* SPDX-License-Identifier: Apache-2.0 */

/* What is expected of an attestation, and PCRs compared with it. */

#include "base/json.h"
#include "fuzz.h"
#include "verify/expectation_members.h"
#include "verify/register_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(findings_done) Findings findings = {};
        static Pcrs pcrs;
        SeenRegisters seen = {};
        Expectation expectation;
        json_object *json;

        if (json_parse((const char *)data, size, &json, NULL) < 0)
                return 0;
        expectation_check_members(json, &error);
        cvm_error_done(&error);
        if (expectation_parse(json, &expectation, &error) < 0)
                return 0;
        for (HashAlgorithm bank = 0; bank < _HASH_MAX; bank++) {
                pcrs.has[bank][4] = true;
                pcrs.values[bank][4] = hash_zero(bank);
        }
        seen_registers_add_pcrs(&seen, &pcrs);
        registers_check(&seen, &expectation, &findings);
        json_object_put(findings_to_json(&findings));
        expectation_done(&expectation);
        return 0;
}
