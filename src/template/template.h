/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Templates: a platform as data. cvm-template(5) describes the format.
 *
 * Beside NAME.json there may be NAME.xml, the platform as a libvirt domain.
 *
 * A TemplateSet holds the built-in templates and fragments (embedded from templates/) and those of
 * an override directory, by name; the override wins. Loading looks at all of a template, also at
 * what only some launches would come by: a broken override is a TemplateInvalid that names file,
 * line and path, and fails the load as a whole.
 */

#include <json-c/json.h>

#include "base/error.h"
#include "host/libvirt_facts.h"
#include "spec/spec.h"

typedef struct TemplateSet TemplateSet;
typedef struct Template Template;

/* directory: NULL or a path; absent is the same as empty. Of a process of root's all its files must
 * belong to root and be writable by no other user (-EPERM); each is a regular file (-EINVAL). */
int template_set_load(const char *directory, TemplateSet **ret, CvmError *error);
TemplateSet *template_set_free(TemplateSet *set);
DEFINE_CLEANUP(TemplateSet *, template_set_free)

/* Borrowed from the set. find: TemplateInvalid is not set here, NULL means that there is none. */
const Template *template_set_find(const TemplateSet *set, const char *name);
size_t template_set_size(const TemplateSet *set);
const Template *template_set_get(const TemplateSet *set, size_t index); /* sorted by name */

/* Whether there is a libvirt domain of it. */
bool template_set_has_domain(const TemplateSet *set, const Template *template);
/* What it asks of a libvirt. */
LibvirtNeeds template_set_domain_needs(const TemplateSet *set, const Template *template);

const char *template_name(const Template *template);
const char *template_description(const Template *template);
const char *template_origin(const Template *template); /* "built-in" or a path */
bool template_is_confidential(const Template *template);
/* What `auto` goes by: the available template of the greatest strength; 0: never chosen by auto. */
int64_t template_strength(const Template *template);
/* Name of the measuring method ("none", "sev-snp-igvm", "tdx", …). */
const char *template_measure(const Template *template);
/* File name of the QEMU binary ("qemu-system-x86_64"), for where cvmd.conf names none. */
const char *template_qemu(const Template *template);
/* Whether it cannot do without the artifact, and the embedded one it takes where the spec names
 * none (NULL: none). `debug` picks the debug initramfs. */
bool template_needs_artifact(const Template *template, SpecArtifactKind kind);
const char *template_default_artifact(const Template *template, SpecArtifactKind kind, bool debug);
/* Whether its guests boot with such an artifact at all. */
bool template_takes_artifact(const Template *template, SpecArtifactKind kind);
/* InvalidSpec: launchSecurity has an ID block (idBlock, idAuth or authorKeyEnabled), and the guest
 * boots from an IGVM file, which it must be in. `has_igvm`: one is there. */
int template_check_id_block(const Template *template, const CvmSpec *spec, bool has_igvm,
                            CvmError *error);
/* The kind of guest that the firmware or IGVM file must be for ("sev-snp", …); NULL: any. */
const char *template_artifact_guest(const Template *template, SpecArtifactKind kind);
/* The file of the host's that is taken where neither the spec names one nor one is embedded; NULL:
 * none. */
const char *template_default_path(const Template *template, SpecArtifactKind kind);
/* Names of the host checks that it requires, ended by NULL. */
const char *const *template_host_checks(const Template *template);
/* What QEMU must know, an object as in cvm-template(5); NULL: it says nothing. Borrowed. */
json_object *template_requires_qemu(const Template *template);
/* What it must know besides for devices of the SVSM's; NULL: the platform has no SVSM. Borrowed. */
json_object *template_requires_svsm(const Template *template);
/* Bytes of the host's memory that a CVM with so much memory may come to use: a confidential one has
 * shared pages besides its private ones. */
uint64_t template_promise(const Template *template, uint64_t memory);
/* Whether it always has a vsock device. */
bool template_needs_vsock(const Template *template);
/* Whether the host check of that name is among its requirements. */
bool template_requires_host(const Template *template, const char *check);
