/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the files of this folder only. */

#include "artifact/artifact.h"

/* One reference, no bytes yet (fd -1), in no store; name is copied. NULL without memory. */
Artifact *artifact_new(SpecArtifactKind kind, const char *name, uint64_t size);

/* Whether an artifact of the store's own has the name. */
bool artifact_store_has_own(const ArtifactStore *store, const char *name);

/* Adds an artifact of the store's own, and takes the reference. To be called before any
 * artifact_store_add(). Returns 0 or -ENOMEM; the reference is then the caller's still. */
int artifact_store_append_own(ArtifactStore *store, Artifact *artifact);
