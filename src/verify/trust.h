/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whom a verifier trusts: a root that it was given, else the maker's known ones. */

#include "verify/certificates.h"
#include "verify/findings.h"

/* All is borrowed. */
typedef struct Trust {
        X509 *leaf;                 /* whose key signed a report; NULL: not given */
        const Certificates *others; /* whatever may lead from the leaf to a root */
        X509 *root;                 /* the only one trusted; NULL: the maker's known ones */
        time_t at;                  /* when all must be valid: seconds since the epoch */
} Trust;

/* Finding "certificates": passes if the leaf (not NULL) leads to a trusted root. `maker` is in the
 * genitive, "AMD's"; `hint`, or NULL, is added to the reason if it fails. */
void trust_check(const Trust *trust, const KnownRoot *known, const char *maker, const char *hint,
                 Findings *findings);
