/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The findings of an attestation in the order in which trust goes from one to the next: root →
 * platform certificate → report → SVSM manifest → EK → AK → quote → kernel → command line and
 * initramfs. A link that nothing was found about is left out. PCRs behind an AK that was not
 * shown to be of the TPM are not right: the file says so, and no TPM.
 */

#include "verify/findings.h"

#define CHAIN_LINKS_MAX 12

typedef struct ChainLink {
        const char *name; /* "root"; static */
        FindingResult result;
        const Finding *finding; /* that decided it: the first that is wrong or not checked, else one
                                   that is right; borrowed */
        const char *reason; /* of the finding, or why it decides nothing; NULL: none; borrowed */
} ChainLink;

/* Returns how many links there are. */
size_t chain_links(const Findings *findings, ChainLink ret[static CHAIN_LINKS_MAX]);

/* An array of {"link", "result", "check", "reason"}; NULL without memory. */
json_object *chain_to_json(const Findings *findings);
