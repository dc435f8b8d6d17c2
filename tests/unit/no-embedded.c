/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/embedded.h"

const EmbeddedArtifact embedded_artifacts[] = {{}}; /* of cvmd, which is not linked */
