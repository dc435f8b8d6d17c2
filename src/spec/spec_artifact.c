/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include "spec/spec_internal.h"

typedef struct ArtifactInput {
        char *name, *path, *sha256;
        int64_t fd;
} ArtifactInput;

static const JsonField artifact_fields[] = {
        {"name", JSON_STRING, offsetof(ArtifactInput, name)},
        {"path", JSON_STRING, offsetof(ArtifactInput, path)},
        {"fd", JSON_INT, offsetof(ArtifactInput, fd), 0, 0, SPEC_FD_MAX},
        {"sha256", JSON_STRING, offsetof(ArtifactInput, sha256)},
        {},
};

static const char *const kind_names[_ARTIFACT_KIND_MAX] = {
        [ARTIFACT_KERNEL] = "kernel",
        [ARTIFACT_INITRAMFS] = "initramfs",
        [ARTIFACT_FIRMWARE] = "firmware",
        [ARTIFACT_IGVM] = "igvm",
};

const char *spec_artifact_kind_name(SpecArtifactKind kind)
{
        return kind_names[kind];
}

static void artifact_input_done(ArtifactInput *input)
{
        free(input->name);
        free(input->path);
        free(input->sha256);
}

int spec_parse_artifact(json_object *object, SpecArtifactKind kind, CvmSpec *spec, CvmError *error)
{
        _cleanup_(artifact_input_done) ArtifactInput input = {.fd = -1};
        SpecArtifact *artifact = &spec->artifacts[kind];
        const char *prefix = kind_names[kind];
        char field[SPEC_FIELD_MAX];
        int r;

        artifact->fd = -1;
        if (!object)
                return 0;
        r = spec_dispatch(object, artifact_fields, &input, prefix, error);
        if (r < 0)
                return r;
        if (input.name && (input.path || input.fd >= 0))
                fault_add(error, prefix, "must have either a name, or a path or fd");
        if (input.name && !spec_name_is_valid(input.name))
                fault_add(error, spec_field(field, prefix, "name"),
                          "must be the name of an embedded artifact (see `cvmctl artifacts`); use "
                          "'path' for a file");
        if (input.path)
                spec_check_path(input.path, spec_field(field, prefix, "path"), error);
        if (input.sha256 && hash_parse_sha256(input.sha256, artifact->sha256) < 0)
                fault_add(error, spec_field(field, prefix, "sha256"), "must be 64 hex digits");

        artifact->given = true;
        artifact->has_sha256 = input.sha256;
        artifact->fd = input.fd;
        artifact->name = TAKE_PTR(input.name);
        if (input.fd < 0) /* else it is only a note of where the descriptor comes from */
                artifact->path = TAKE_PTR(input.path);
        return 0;
}
