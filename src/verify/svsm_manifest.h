/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an SVSM says of its services: the manifest that a report of VMPL 0 covers.
 *
 * Source: AMD, "Secure VM Service Module for SEV-SNP Guests" (document 58019), 7.1 (attestation,
 * services manifest) and 8.3.1 (manifest of the vTPM: the TPMT_PUBLIC of its EK).
 */

#include "base/error.h"
#include "measure/bytes.h"

#define SVSM_MANIFEST_MAX (64u << 10) /* bytes */
#define SVSM_SERVICES_MAX 64

/* The manifest of the vTPM in the manifest of all services. ArtifactInvalid "svsm-manifest": not of
 * that form, an entry that points outside it, no vTPM or several. */
int svsm_manifest_find_vtpm(Bytes manifest, Bytes *ret, CvmError *error);
