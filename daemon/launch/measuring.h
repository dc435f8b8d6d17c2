/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a CVM will measure, from the very memory files that it boots from. Pure but for mapping
 * them; takes as long as hashing them again: run it in a worker. Thread-safe. */

#include "artifact/artifact.h"
#include "base/error.h"
#include "vm/allotment.h"
#include "vm/vm_boot.h"

/* All borrowed. */
typedef struct Measuring {
        const Allotment *allotment;
        Artifact *const *artifacts; /* by kind, NULL if there is none */
        const char *cmdline;        /* of the kernel that boots; NULL: none does */
        const char *image;          /* NAME@sha256:HEX that brings them; NULL: none */
        const char *qemu_version;   /* NULL: unknown */
} Measuring;

/* Returns 0, or -errno with ArtifactInvalid or InvalidSpec: what boots could not be measured, so it
 * must not boot. */
int measuring_run(const Measuring *measuring, Measured *ret, CvmError *error);
