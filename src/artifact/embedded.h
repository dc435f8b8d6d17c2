/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of the files that the build embedded (options kernel, initramfs, igvm, …), ended by {}.
 * Made by embed.py and linked into cvmd alone: a program that does not serve CVMs does not carry
 * them.
 */

#include "artifact/artifact.h"

extern const EmbeddedArtifact embedded_artifacts[];
