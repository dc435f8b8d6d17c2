/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Settings of the confidential object that are expected of an attestation which does not have such
 * a field. Those that it has are snp_check.h's and tdx_check.h's. */

#include "verify/expectation.h"
#include "verify/findings.h"

/* A finding, needed and not checked, for each expected setting that only another kind of
 * attestation shows. expectation NULL: nothing is expected. */
void settings_check_unseen(const Expectation *expectation, bool snp, bool tdx, Findings *findings);
