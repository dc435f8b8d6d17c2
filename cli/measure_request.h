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
#include "artifact/image.h"
#include "measure/measure.h"
#include "measure_files.h"
#include "spec/spec.h"

/* What the command line says of the files; borrowed from the arguments. NULL or 0: not given. */
typedef struct MeasureOptions {
        const char *file, *platform, *cmdline, *cpu_model, *features, *memory, *qemu, *profile;
        const char *image;                     /* a name, or a directory, with a '/' */
        const char *acpi;                      /* a directory */
        const char *paths[_ARTIFACT_KIND_MAX]; /* "": none, whatever the spec says */
        uint32_t cpus;
} MeasureOptions;

MeasureOptions measure_options(const Arguments *arguments);
/* The name of an option that was given, or NULL. */
const char *measure_options_given(const MeasureOptions *options);

typedef struct MeasureRequest {
        MeasureInputs inputs; /* borrows from the members below and the options */
        const char *platform; /* as it was asked for; borrowed likewise */
        CvmSpec *spec;        /* NULL: none was given */
        Image image;          /* without a name: none */
        char *image_reference, *image_paths[_ARTIFACT_KIND_MAX];
        MeasuredFile files[_ARTIFACT_KIND_MAX];
        char *acpi[3]; /* contents of the files of --acpi */
} MeasureRequest;

/* Says that the platform of a CVM measures nothing, as measure_run() does. */
ExitStatus measure_request_refuse_unmeasured(const Cli *cli);
/* Returns EXIT_OK or the status of what it printed. */
ExitStatus measure_request_load(const Cli *cli, const MeasureOptions *options, MeasureRequest *ret);
void measure_request_done(MeasureRequest *request);
