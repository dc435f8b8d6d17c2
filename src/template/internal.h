/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this layer share; nobody else includes it. */

#include "base/json.h"
#include "base/text.h"
#include "template/plan.h"

/* Work that one render may do, whatever a template says. */
#define RENDER_ARGUMENTS_MAX 1024u
#define RENDER_BYTES_MAX (1u << 20)
#define RENDER_STEPS_MAX 100000u
#define RENDER_INCLUDES_MAX 16u

typedef struct TemplateArtifact {
        bool needed;
        char *embedded, *debug; /* names of embedded artifacts, or NULL */
} TemplateArtifact;

struct Template {
        char *name, *description, *qemu, *measure;
        char *origin; /* "built-in" or a path */
        bool confidential, vsock;
        int64_t strength;
        TemplateArtifact artifacts[_ARTIFACT_KIND_MAX];
        char **host_checks; /* ended by NULL */
        char *floor_maxmem_text;
        uint64_t floor_maxmem;
        int64_t floor_maxcpus, floor_slots;
        /* borrowed from root; security: field of launchSecurity to what is said of it */
        json_object *requires_qemu, *devices, *arguments, *security;
        json_object *root; /* owned */
        char *text;        /* of a file, for line numbers; NULL for built-in ones */
};

/* The text of a template or of a fragments file that the build embedded; ended by {}. */
typedef struct BuiltinTemplate {
        const char *file; /* "plain.json" */
        const char *text;
} BuiltinTemplate;

extern const BuiltinTemplate builtin_templates[];

/* Parses one template. name: what its file is called, which it must call itself. */
int template_parse(const char *name, const char *origin, const char *text, size_t size,
                   Template **ret, CvmError *error);
Template *template_free(Template *template);
DEFINE_CLEANUP(Template *, template_free)

/* The fragment of that name, an array, or NULL. */
json_object *template_set_fragment(const TemplateSet *set, const char *name);
/* A set of one template and given fragments (taken), for tests and fuzzing; takes template. */
TemplateSet *template_set_new_single(Template *template, json_object *fragments);

/* All variables as one tree (variables.c). A descriptor is an object {"$fd": WHAT}. */
json_object *variables_new(const Template *template, const PlanInputs *inputs);

/* What a template says of launchSecurity: refuses fields that there are not (security.c). */
int security_parse(json_object *rules, JsonRefuse refuse, void *userdata);
/* Refuses, as InvalidSpec, what the platform does not take. */
int security_check(const Template *template, const CvmSpec *spec, CvmError *error);
/* Each field by its name: bytes as base64, "" where not given; numbers as hexadecimal text, and as
 * integers under NAMENumber. */
json_object *security_variables(const Template *template, const CvmSpec *spec);

/* How QEMU writes an option whose value is an object (option.c): "q35,hpet=off", or JSON where a
 * member is itself an object. The first member may be the option's implied key. Returns 0, -EINVAL
 * (ret_reason: static) or -ENOMEM. */
int option_write(const char *option, json_object *value, Buffer *ret, const char **ret_reason);
