/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the files of this folder only. */

#include "artifact/artifact.h"

/* One reference, no bytes yet (fd -1), in no store; name is copied. NULL without memory. */
Artifact *artifact_new(SpecArtifactKind kind, const char *name, uint64_t size);
