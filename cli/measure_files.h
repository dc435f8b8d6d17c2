/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files that are measured or looked into here, without the daemon: loaded as the daemon loads them,
 * so that both refuse the same ones. */

#include "arguments.h"
#include "artifact/artifact.h"
#include "measure/measure.h"

typedef struct MeasuredFile {
        Artifact *artifact; /* owned; NULL: not named */
        void *map;          /* its bytes */
} MeasuredFile;

/* Loads the file that the option names (the option's name is the kind's); without it, nothing.
 * Returns 0 or the exit code of the failure that it printed. */
int measured_file_load(const Arguments *arguments, SpecArtifactKind kind, MeasuredFile *ret);
/* The same with a path. */
int measured_file_open(const Arguments *arguments, SpecArtifactKind kind, const char *path,
                       MeasuredFile *ret);
void measured_file_done(MeasuredFile *file);
/* Borrowed; not given where none was named. */
MeasureFile measured_file_bytes(const MeasuredFile *file);
