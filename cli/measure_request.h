/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `measure` is asked to measure offline: a spec file, the options over it, and the files that
 * they name, opened here.
 *
 * An option stands in the place of the spec's field. Without a spec only what is named is measured;
 * with one also what its platform takes by itself, and where that is the daemon's alone (an
 * embedded file), it is refused: it must be named.
 */

#include "arguments.h"
#include "measure/measure.h"
#include "measure_files.h"
#include "spec/spec.h"

typedef struct MeasureRequest {
        MeasureInputs inputs; /* borrows from the members below and the arguments */
        const char *platform; /* as it was asked for; borrowed likewise */
        CvmSpec *spec;        /* NULL: none was given */
        MeasuredFile files[_ARTIFACT_KIND_MAX];
        char *acpi[3]; /* contents of the files of --acpi */
} MeasureRequest;

/* Returns 0 or the exit code of what it printed. */
int measure_request_load(const Arguments *arguments, MeasureRequest *ret);
void measure_request_done(MeasureRequest *request);
