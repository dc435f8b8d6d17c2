/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The PCRs of a TPM, as text: the "pcrs" of the reference agent's answer (cvm-guest(7)), or what
 * tpm2_pcrread(1) prints. Nobody signed them.
 */

#include <json-c/json.h>

#include "base/error.h"
#include "base/hash.h"
#include "measure/bytes.h"

#define PCRS 24
#define PCRS_TEXT_MAX (1u << 20) /* bytes */

typedef struct Pcrs {
        bool has[_HASH_MAX][PCRS];
        HashDigest values[_HASH_MAX][PCRS];
        bool any;
        char skipped[256]; /* the banks whose names are not known: "a, b"; "…" ends too many */
} Pcrs;

/* Other banks than SHA-256 and SHA-384 are skipped, also such as are not known. Both:
 * ArtifactInvalid "report" for anything else than the form named, a register twice, a value of
 * another length than its bank's. */
int pcrs_parse_json(json_object *banks, Pcrs *ret, CvmError *error);
int pcrs_parse_text(Bytes text, Pcrs *ret, CvmError *error);
