/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `bindWorkload` binds a CVM to: the digest of a document that says what was launched, in the
 * field of launchSecurity that the hardware reports in each attestation. cvm-spec(5), "BINDING",
 * defines the document field by field; it holds no secret.
 *
 * A template says in which field, and by which hash, with the member "bind" of its launchSecurity.
 */

#include "template/plan.h"

#define WORKLOAD_VERSION 1

/* Whether the spec wants it, and this platform and the spec's launchSecurity leave room for it.
 * -EINVAL after a fault of bindWorkload or of the field of launchSecurity. */
int workload_check(const Template *template, const CvmSpec *spec, CvmError *error);
/* What is bound, by a template whose workload_check() passed. 0 (ret->field stays NULL where
 * nothing is to be bound), -ENODATA: the digest of an artifact is not known; -ENOMEM or -EIO. */
int workload_bind(const Template *template, const PlanInputs *inputs, WorkloadBinding *ret);

/* What the member "bind" may say of a field of `size` bytes: "sha256", "sha384". */
bool workload_hash_fits(const char *hash, size_t size);
