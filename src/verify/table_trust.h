/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The certificates behind a report, in the place of those that no option gives. */

#include <json-c/json.h>

#include "verify/certificate_table.h"
#include "verify/snp_report.h"
#include "verify/trust.h"

/* Owns what a Trust borrows of a table. */
typedef struct TableTrust {
        Certificates leaf, others;
} TableTrust;

void table_trust_done(TableTrust *table_trust);

/* Sets trust->leaf, if it has none, to the one for the report's key, and trust->others, if there
 * are none, to ASK and ARK. The names of those that were taken are added to the array `used`. The
 * root is trusted as ever: it must be known, or given. ArtifactInvalid "report": one that would be
 * used is not a certificate. Returns 0 or -errno. */
int table_trust_fill(TableTrust *table_trust, const CertificateTable *table,
                     const SnpReport *report, Trust *trust, json_object *used, CvmError *error);
