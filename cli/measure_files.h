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
        FirmwareCode code;
        bool has_code;
} MeasuredFile;

/* Loads a file. Returns EXIT_OK, or the status of the failure that it printed. */
ExitStatus measured_file_open(const Cli *cli, SpecArtifactKind kind, const char *path,
                              MeasuredFile *ret);

/* What is to be loaded of a kind. */
typedef struct MeasuredPath {
        const char *path;      /* borrowed; NULL: nothing */
        const uint8_t *sha256; /* what the file must have; NULL: anything */
        bool code;             /* whether to look what the code in it shows … */
        MeasureMethod method;  /* … for this method */
} MeasuredPath;

/* Loads all of them at the same time, each in a thread: hashing takes most of it. `ret` has one of
 * each kind. Likewise; of several failures the first kind's is printed. */
ExitStatus measured_files_open(const Cli *cli, const MeasuredPath paths[static _ARTIFACT_KIND_MAX],
                               MeasuredFile ret[static _ARTIFACT_KIND_MAX]);
void measured_file_done(MeasuredFile *file);
/* Borrowed; `data` is NULL if no file was given. */
MeasureFile measured_file_bytes(const MeasuredFile *file);
