/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "spec/spec_internal.h"

#define DIGEST "@sha256:"

bool spec_image_parse(const char *text, SpecImage *ret)
{
        const char *digest = strstr(text, DIGEST);
        SpecImage image = {.has_sha256 = digest};

        if (digest && hash_parse_sha256(digest + strlen(DIGEST), image.sha256) < 0)
                return false;
        image.name = digest ? strndup(text, (size_t)(digest - text)) : strdup(text);
        if (!image.name || !spec_name_is_valid(image.name)) {
                free(image.name);
                return false;
        }
        *ret = image;
        return true;
}

int spec_parse_image(const char *text, CvmSpec *spec, CvmError *error)
{
        static const SpecArtifactKind kinds[] = {ARTIFACT_KERNEL, ARTIFACT_INITRAMFS};

        if (!text)
                return 0;
        if (!spec_image_parse(text, &spec->image))
                fault_add(error, "image",
                          "must be an image's name (see `cvmctl images`), or NAME" DIGEST
                          "HEX with the 64 hex digits of its digest");
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (spec->artifacts[kinds[i]].given)
                        fault_add(error, spec_artifact_kind_name(kinds[i]),
                                  "cannot be given together with 'image', which has its own");
        return 0;
}

bool spec_image_has(const CvmSpec *spec, SpecArtifactKind kind)
{
        return spec->image.name && (kind == ARTIFACT_KERNEL || kind == ARTIFACT_INITRAMFS);
}

bool spec_gives_artifact(const CvmSpec *spec, SpecArtifactKind kind)
{
        return spec->artifacts[kind].given || spec_image_has(spec, kind);
}
