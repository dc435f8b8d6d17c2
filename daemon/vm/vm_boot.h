/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a CVM boots from, and what of that its owner is charged for. Changed by this
 * module alone. */

#include <json-c/json.h>

#include "artifact/artifact.h"
#include "local/artifact_files.h"

#define MEASURED_DOCUMENT_MAX (256u << 10)

/* What the CVM will measure (launch/measuring.h). */
typedef struct Measured {
        /* The registers that can be predicted, as the interface's Cvm.measurement: name to hex,
         * PCRs by bank ("PCR4-sha256"). An empty object for a method that measures nothing. */
        json_object *registers;
        /* The whole measurement as JSON (measure/measurement_document.h), at most
         * MEASURED_DOCUMENT_MAX bytes; NULL for a method that measures nothing. A register that
         * very many steps extended is listed without its steps: no event log contains these. */
        char *document;
} Measured;

void measured_done(Measured *measured);

typedef struct VmBoot {
        Artifact *artifacts[_ARTIFACT_KIND_MAX];
        char *sha256[_ARTIFACT_KIND_MAX]; /* hex; outlive the artifacts */
        char *held[_ARTIFACT_KIND_MAX];   /* files of the daemon that the CVM has a reference to, or
                                             NULL */
        char *names[_ARTIFACT_KIND_MAX];  /* the file's own, as its owner gave it; or NULL */
        uint64_t bytes[_ARTIFACT_KIND_MAX]; /* counted to its owner (charges.h) */
        uint64_t secret_bytes;              /* likewise, of environment and certificates */
        char *image;                        /* NAME@sha256:HEX that brought them, or NULL */
        json_object *binding;               /* owned; the interface's Binding, or NULL */
        Measured measured;                  /* always with registers */
} VmBoot;

/* 0 or -ENOMEM. */
int vm_boot_init(VmBoot *boot);
void vm_boot_done(VmBoot *boot);
/* Takes what was measured. */
void vm_boot_set_measured(VmBoot *boot, Measured *measured);
/* Takes the artifact, and its digest, as that of its kind; name: copied. 0 or -ENOMEM. */
int vm_boot_set_artifact(VmBoot *boot, SpecArtifactKind kind, Artifact *artifact, const char *name);
/* Takes the name of a file that is held for it (artifact_files.h), unless it has one. */
void vm_boot_set_held(VmBoot *boot, SpecArtifactKind kind, char **held);
/* Takes the image's reference (image.h). */
void vm_boot_set_image(VmBoot *boot, char *image);
/* Takes the binding. */
void vm_boot_set_binding(VmBoot *boot, json_object *binding);
/* What its owner is charged for it (charges.h). */
void vm_boot_set_bytes(VmBoot *boot, SpecArtifactKind kind, uint64_t bytes);
void vm_boot_set_secret_bytes(VmBoot *boot, uint64_t bytes);
/* Holds the files that its hypervisor may still open, as its digests name them. 0 or -errno. */
int vm_boot_hold_files(VmBoot *boot, ArtifactFiles *files);
/* Releases artifacts and files; digests stay. */
void vm_boot_release(VmBoot *boot, ArtifactFiles *files);
/* From a record. charged: its owner is still charged for it. */
void vm_boot_load(VmBoot *boot, json_object *record, bool charged);
