/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/setting_check.h"

void settings_check_unseen(const Expectation *expectation, bool snp, bool tdx, Findings *findings)
{
        static const Expectation none;
        const Expectation *expected = expectation ?: &none;
        const struct {
                const char *check;
                bool expected, shown;
        } settings[] = {
                {"policy", expected->has_policy, snp},
                {"vmpl", expected->has_vmpl, snp},
                {"host-data", expected->host_data, snp},
                {"id-block", expected->id_block, snp},
                {"attributes", expected->has_attributes, tdx},
                {"mr-config-id", expected->mr_config_id, tdx},
                {"mr-owner", expected->mr_owner, tdx},
                {"mr-owner-config", expected->mr_owner_config, tdx},
        };

        for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
                if (settings[i].expected && !settings[i].shown)
                        findings_unchecked(findings, NEEDED, settings[i].check,
                                           "it is expected, but the report does not show it");
}
