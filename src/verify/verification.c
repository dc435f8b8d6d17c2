/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verification.h"

#include <string.h>

#include "base/json.h"
#include "verify/chain.h"

void verification_done(Verification *verification)
{
        json_object_put(verification->evidence);
        json_object_put(verification->shown);
        findings_done(&verification->findings);
        *verification = (Verification){};
}

const char *verification_exception(const Verification *verification, size_t n)
{
        static const char *const names[] = {"tcb-level", "revocation", "freshness", "ak-binding"};
        const Findings *findings = &verification->findings;

        for (size_t i = 0; i < findings->n; i++)
                for (size_t j = 0; j < ARRAY_SIZE(names); j++)
                        if (findings->items[i].result == FINDING_NOT_CHECKED &&
                            strcmp(findings->items[i].check, names[j]) == 0 && n-- == 0)
                                return names[j];
        return NULL;
}

bool verification_lacks_only_binding(const Verification *verification)
{
        const Findings *findings = &verification->findings;
        bool lacks = false;

        for (size_t i = 0; i < findings->n; i++) {
                const Finding *finding = &findings->items[i];

                if (!finding->needed || finding->result != FINDING_NOT_CHECKED)
                        continue;
                if (strcmp(finding->check, "ak-binding") != 0)
                        return false;
                lacks = true;
        }
        return lacks && findings_verdict(findings) == VERDICT_NOT_VERIFIED;
}

static json_object *exceptions_json(const Verification *verification)
{
        json_object *array = json_object_new_array();
        const char *name;

        for (size_t i = 0; (name = verification_exception(verification, i)); i++)
                json_object_array_add(array, json_object_new_string(name));
        return array;
}

json_object *verification_to_json(const Verification *verification)
{
        json_object *checks = findings_to_json(&verification->findings);

        if (!checks)
                return NULL;
        return json_build(
                "report", json_object_new_string(report_kind_name(verification->kind)), "evidence",
                json_object_get(verification->evidence), "shown",
                json_object_get(verification->shown), "verdict",
                json_object_new_string(verdict_name(findings_verdict(&verification->findings))),
                "except", exceptions_json(verification), "testRoot",
                json_object_new_boolean(verification->findings.other_root), "chain",
                verification->chained ? chain_to_json(&verification->findings) : NULL, "checks",
                checks, NULL);
}
