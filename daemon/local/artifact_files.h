/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Artifacts as files, for hypervisors that open them by path: RUNTIME/artifacts/SHA256, on memory
 * as sealed artifacts are. Directory and files belong to the daemon; a group may enter the
 * directory and read the files, and no user may list or write. Equal bytes are one file, which is
 * there as long as it is referenced.
 *
 * The hypervisor opens the file after it was checked. Until then the daemon's user could change it,
 * which sealed memory would refuse.
 */

#include "artifact/artifact.h"

typedef struct ArtifactFiles ArtifactFiles;

/* runtime_fd: borrowed for the call. 0 or -errno. */
int artifact_files_new(int runtime_fd, gid_t group, ArtifactFiles **ret);
ArtifactFiles *artifact_files_free(ArtifactFiles *files); /* the files stay */
/* Holds the artifact's file; writes it if it is not there, and checks what was written
 * against the artifact's digest. Blocks; any thread. */
int artifact_files_put(ArtifactFiles *files, const Artifact *artifact, CvmError *error);
/* Holds one that an earlier daemon wrote; sha256 in hex. 0, -ENOENT (it is gone) or -ENOMEM. */
int artifact_files_hold(ArtifactFiles *files, const char *sha256);
/* Lets go; with the last one the file goes. Never blocks. */
void artifact_files_drop(ArtifactFiles *files, const char *sha256);
/* Removes files without a reference: once, after the files of all records are referenced. */
int artifact_files_clean(ArtifactFiles *files);
