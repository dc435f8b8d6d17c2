/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What load.c loads of a spec's image. Blocks: for its worker. */

#include "artifact/artifact.h"
#include "artifact/image.h"
#include "local/config.h"

typedef struct LoadImage {
        Image image;                     /* without a name: none was looked for */
        char *reference;                 /* NAME@sha256:HEX, owned */
        char *paths[_ARTIFACT_KIND_MAX]; /* of what it brings; owned; NULL: nothing */
} LoadImage;

void load_image_done(LoadImage *image);

/* Finds the spec's image, which must fit the spec, the machine's memory (bytes), and the digests of
 * kernel and initramfs where the spec has them: those of the launch before. Returns 0 or -errno
 * with the error set. */
int load_image_find(const CvmSpec *spec, const Config *config, uint64_t memory,
                    const Caller *caller, LoadImage *ret, CvmError *error);
/* ArtifactInvalid unless a file of that size, before it is read, can be the one of the manifest. */
int load_image_check_size(const LoadImage *image, const CvmSpec *spec, SpecArtifactKind kind,
                          uint64_t size, CvmError *error);
/* Releases an artifact that is not the file of the manifest, with ArtifactInvalid. Nothing if the
 * image does not bring it. */
int load_image_check(const LoadImage *image, const CvmSpec *spec, SpecArtifactKind kind,
                     Artifact **artifact, CvmError *error);
