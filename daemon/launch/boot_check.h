/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether firmware and IGVM file are what the template's kind of guest boots from, from the very
 * memory files that QEMU will read. Takes as long as reading their headers; thread-safe. */

#include "artifact/artifact.h"
#include "host/qemu_probe.h"
#include "template/plan.h"

typedef struct BootCheck {
        Artifact *const *artifacts; /* by kind, NULL where there is none; prepared */
        const Template *template;
        const QemuProbe *qemu; /* NULL: it could not be asked */
        uint32_t cpus;         /* of the CVM */
} BootCheck;

/* Sets the error of each artifact that is not, unless it has one already, and what the IGVM file
 * says to the launch. */
void boot_check_run(const BootCheck *check, PlanIgvm *ret, CvmError *errors);
