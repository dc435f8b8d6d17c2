/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a CVM will measure, from the very memory files that it boots from. Pure but for mapping
 * them; takes as long as hashing them again: run it in a worker. Thread-safe. */

#include <json-c/json.h>

#include "artifact/artifact.h"
#include "base/error.h"
#include "vm/allotment.h"

/* All borrowed. */
typedef struct Measuring {
        const Allotment *allotment;
        Artifact *const *artifacts; /* by kind, NULL if there is none */
        const char *cmdline;        /* of the kernel that boots; NULL: none does */
        const char *qemu_version;   /* NULL: unknown */
} Measuring;

typedef struct Measured {
        /* The registers that can be predicted, as the interface's Cvm.measurement: name to hex,
         * PCRs by bank ("PCR4-sha256"). An empty object for a method that measures nothing. */
        json_object *registers;
        /* The whole measurement as JSON (measure/document.h), at most MEASURED_DOCUMENT_MAX bytes;
         * NULL for a method that measures nothing. Registers that came of very many steps have none
         * of them: no event log has these. */
        char *document;
} Measured;

#define MEASURED_DOCUMENT_MAX (256u << 10)

void measured_done(Measured *measured);

/* Returns 0, or -errno with ArtifactInvalid or InvalidSpec: what boots could not be measured, so it
 * must not boot. */
int measuring_run(const Measuring *measuring, Measured *ret, CvmError *error);
