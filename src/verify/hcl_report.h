/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What Azure's paravisor (HCL, OpenHCL) leaves for the guest in its vTPM: the report of the
 * hardware, and the runtime data (JSON with the public keys of the vTPM) whose digest is that
 * report's REPORT_DATA.
 *
 * Source: Microsoft, OpenHCL, "IGVM attest" (header, hardware report in 1184 bytes, request data).
 */

#include "base/error.h"
#include "base/hash.h"
#include "measure/bytes.h"

typedef struct HclReport {
        Bytes report;            /* the SEV-SNP report */
        Bytes runtime_data;      /* not given: its place is not inside the file */
        uint32_t hash;           /* of runtime_data, as the file numbers it */
        HashAlgorithm algorithm; /* _HASH_MAX: the number is not one of those that are known */
} HclReport;

bool hcl_report_is(Bytes bytes);

/* ArtifactInvalid "report": cut short, or it is not about an SEV-SNP guest. */
int hcl_report_parse(Bytes bytes, HclReport *ret, CvmError *error);
