/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_boot.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

void measured_done(Measured *measured)
{
        json_object_put(measured->registers);
        free(measured->document);
        *measured = (Measured){};
}

int vm_boot_init(VmBoot *boot)
{
        *boot = (VmBoot){.measured.registers = json_object_new_object()};
        return boot->measured.registers ? 0 : -ENOMEM;
}

void vm_boot_done(VmBoot *boot)
{
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                artifact_unref(boot->artifacts[i]);
                free(boot->sha256[i]);
                free(boot->names[i]);
                free(boot->held[i]);
        }
        free(boot->image);
        measured_done(&boot->measured);
        json_object_put(boot->binding);
}

void vm_boot_set_measured(VmBoot *boot, Measured *measured)
{
        measured_done(&boot->measured);
        boot->measured = TAKE_STRUCT(*measured);
}

int vm_boot_set_artifact(VmBoot *boot, SpecArtifactKind kind, Artifact *artifact, const char *name)
{
        char *copy = strdup(name);

        if (!copy) {
                artifact_unref(artifact);
                return -ENOMEM;
        }
        free(boot->names[kind]);
        boot->names[kind] = copy;
        boot->artifacts[kind] = artifact;
        free(boot->sha256[kind]);
        boot->sha256[kind] = text_hex(artifact->digest.sha256, SHA256_SIZE);
        return 0;
}

void vm_boot_set_held(VmBoot *boot, SpecArtifactKind kind, char **held)
{
        if (!boot->held[kind]) /* else kept */
                boot->held[kind] = TAKE_PTR(*held);
}

void vm_boot_set_image(VmBoot *boot, char *image)
{
        free(boot->image);
        boot->image = image;
}

void vm_boot_set_binding(VmBoot *boot, json_object *binding)
{
        json_object_put(boot->binding);
        boot->binding = binding;
}

void vm_boot_set_bytes(VmBoot *boot, SpecArtifactKind kind, uint64_t bytes)
{
        boot->bytes[kind] = bytes;
}

void vm_boot_set_secret_bytes(VmBoot *boot, uint64_t bytes)
{
        boot->secret_bytes = bytes;
}

int vm_boot_hold_files(VmBoot *boot, ArtifactFiles *files)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                int r;

                if (!boot->sha256[kind])
                        continue;
                boot->held[kind] = strdup(boot->sha256[kind]);
                r = boot->held[kind] ? artifact_files_hold(files, boot->held[kind]) : -ENOMEM;
                if (r < 0)
                        free(TAKE_PTR(boot->held[kind]));
                if (r < 0 && r != -ENOENT) /* a restarted host has none of them */
                        return r;
        }
        return 0;
}

void vm_boot_release(VmBoot *boot, ArtifactFiles *files)
{
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                boot->artifacts[i] = artifact_unref(boot->artifacts[i]);
                if (boot->held[i])
                        artifact_files_drop(files, boot->held[i]);
                free(TAKE_PTR(boot->held[i]));
        }
}

static void load_measured(VmBoot *boot, json_object *record)
{
        json_object *registers = json_member(record, "measurement");
        json_object *document = json_member(record, "measured");

        if (json_object_is_type(registers, json_type_object)) {
                json_object_put(boot->measured.registers);
                boot->measured.registers = json_object_get(registers);
        }
        if (json_object_is_type(document, json_type_object))
                boot->measured.document = strdup(json_text(document));
}

void vm_boot_load(VmBoot *boot, json_object *record, bool charged)
{
        json_object *digests = json_member(record, "artifacts");
        json_object *bytes = json_member(record, "artifactBytes");
        json_object *binding = json_member(record, "binding");
        const char *image = json_member_string(record, "image");

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = spec_artifact_kind_name(kind);
                const char *digest = json_member_string(digests, name);

                boot->sha256[kind] = digest ? strdup(digest) : NULL;
                if (charged)
                        boot->bytes[kind] = (uint64_t)json_member_int(bytes, name, 0);
        }
        if (charged)
                boot->secret_bytes = (uint64_t)json_member_int(record, "sharesBytes", 0);
        load_measured(boot, record);
        if (image)
                boot->image = strdup(image);
        if (json_object_is_type(binding, json_type_object))
                boot->binding = json_object_get(binding);
}
