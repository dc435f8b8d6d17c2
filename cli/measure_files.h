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

/* Loads a file. sha256: what it must be, or NULL. Returns 0 or the exit code of the failure that it
 * printed. */
int measured_file_open(const Arguments *arguments, SpecArtifactKind kind, const char *path,
                       const uint8_t *sha256, MeasuredFile *ret);
void measured_file_done(MeasuredFile *file);
/* Borrowed; not given where none was named. */
MeasureFile measured_file_bytes(const MeasuredFile *file);
