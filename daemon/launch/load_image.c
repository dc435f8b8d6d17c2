/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/load_image.h"

#include <inttypes.h>
#include <string.h>

void load_image_done(LoadImage *image)
{
        image_done(&image->image);
        free(image->reference);
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                free(image->paths[kind]);
        *image = (LoadImage){};
}

static int load_image_check_same(const CvmSpec *spec, SpecArtifactKind kind, const ImageFile *file,
                                 CvmError *error)
{
        const SpecArtifact *artifact = &spec->artifacts[kind];

        if (!artifact->has_sha256 || memcmp(artifact->sha256, file->sha256, SHA256_SIZE) == 0)
                return 0;
        return cvm_error_invalid_spec(error, "image",
                                      "image '%s' has another %s now than when the CVM was "
                                      "launched: remove the CVM and launch it again",
                                      spec->image.name, spec_artifact_kind_name(kind));
}

int load_image_find(const CvmSpec *spec, const Config *config, uint64_t memory,
                    const Caller *caller, LoadImage *ret, CvmError *error)
{
        const ImagePlaces places = {config->images};
        _cleanup_(load_image_done) LoadImage found = {};
        int r = image_find(&places, &spec->image, caller, &found.image, error);

        if (r == 0)
                r = image_check(&found.image, memory, spec->debug, error);
        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++) {
                const ImageFile *file = image_file(&found.image, kind, spec->debug);

                if (!file->name)
                        continue;
                r = load_image_check_same(spec, kind, file, error);
                if (r == 0 && !(found.paths[kind] = image_path(&found.image, file)))
                        r = cvm_error_system(error, -ENOMEM, "read an image");
        }
        if (r == 0 && !(found.reference = image_reference(&found.image)))
                r = cvm_error_system(error, -ENOMEM, "read an image");
        if (r == 0)
                *ret = TAKE_STRUCT(found);
        return r;
}

int load_image_check_size(const LoadImage *image, const CvmSpec *spec, SpecArtifactKind kind,
                          uint64_t size, CvmError *error)
{
        const ImageFile *file = image_file(&image->image, kind, spec->debug);

        if (!file->name || file->size == size)
                return 0;
        return cvm_error_artifact(error, file->name,
                                  "it has %" PRIu64 " bytes, but %" PRIu64
                                  " by the manifest of image '%s'",
                                  size, file->size, image->image.name);
}

int load_image_check(const LoadImage *image, const CvmSpec *spec, SpecArtifactKind kind,
                     Artifact **artifact, CvmError *error)
{
        const ImageFile *file = image_file(&image->image, kind, spec->debug);
        int r = file->name && *artifact ? artifact_check_listed(*artifact, file->sha256, error) : 0;

        if (r < 0)
                *artifact = artifact_unref(*artifact);
        return r;
}
