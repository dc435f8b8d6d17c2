/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this layer share; only they and their tests include it. */

#include "base/json.h"
#include "base/text.h"
#include "template/address_space.h"
#include "template/plan.h"

/* Work that one render may do, whatever a template says. */
#define RENDER_ARGUMENTS_MAX 1024u
#define RENDER_ARGUMENT_MAX (128u << 10) /* bytes: execve(2), MAX_ARG_STRLEN */
#define RENDER_BYTES_MAX (1u << 20)      /* of all texts made on the way */
#define RENDER_STEPS_MAX 100000u
#define RENDER_INCLUDES_MAX 16u

/* The C-bit of the processors that the documents describe, for rendering on a host that does not
 * state its own. */
#define CBITPOS_ASSUMED 51

/* A file of a template or of fragments, kept for messages. */
typedef struct Document {
        char *label; /* "built-in plain.json", or a path */
        char *text;
        size_t size;
        json_object *root; /* owned */
} Document;

/* label and text are copied. name: the template's, for TemplateInvalid if it is not JSON. */
int document_new(const char *name, const char *label, const char *text, size_t size, Document **ret,
                 CvmError *error);
Document *document_free(Document *document);
DEFINE_CLEANUP(Document *, document_free)
/* The label of a file at path, or of a built-in one (NULL) of that name; newly allocated. */
char *document_label(const char *path, const char *name);
/* Sets TemplateInvalid naming label, line, path and reason; returns -EBADMSG. */
int document_refuse(const Document *document, const char *name, const char *path,
                    const char *reason, CvmError *error);

typedef struct TemplateArtifact {
        bool taken, needed;
        char *embedded, *debug; /* names of embedded artifacts, or NULL */
        char *guest;            /* of firmware and igvm: what it must be for, or NULL */
        char *path, *package;   /* a file of the host's, and what installs it; or NULL */
} TemplateArtifact;

struct Template {
        char *name, *description, *qemu, *measure;
        char *libvirt; /* why there is no domain of it, or NULL */
        char *origin;  /* "built-in" or a path */
        bool confidential, vsock;
        int64_t strength;
        TemplateArtifact artifacts[_ARTIFACT_KIND_MAX];
        char **host_checks; /* ended by NULL */
        char *floor_maxmem_text;
        uint64_t floor_maxmem;
        int64_t floor_maxcpus, floor_slots;
        int64_t promise_percent;
        uint64_t promise_extra;
        Document *document; /* owned */
        /* borrowed from the document; security: field of launchSecurity to what is said of it */
        json_object *requires_qemu, *requires_svsm, *devices, *companions, *arguments, *security;
};

/* The text of a template or of a fragments file that the build embedded; ended by {}. */
typedef struct BuiltinTemplate {
        const char *file; /* "plain.json" */
        const char *text;
} BuiltinTemplate;

extern const BuiltinTemplate builtin_templates[];

/* Parses one template. name: what its file is called, which it must call itself; path: the file's,
 * NULL for a built-in one. Its arguments are looked at by template_check() alone. */
int template_parse(const char *name, const char *path, const char *text, size_t size,
                   Template **ret, CvmError *error);
Template *template_free(Template *template);
DEFINE_CLEANUP(Template *, template_free)

/* A fragment: an array of arguments, and the file that it is from. */
typedef struct Fragment {
        const char *name;         /* borrowed from the document */
        json_object *arguments;   /* likewise */
        const Document *document; /* borrowed from the set */
} Fragment;

/* This fragment is not a list of arguments, but the companions that follow those of each
 * template. */
#define FRAGMENT_COMPANIONS "companions"

/* The fragment of that name, or NULL. */
const Fragment *template_set_fragment(const TemplateSet *set, const char *name);

/* An XML file of a template set: a platform's libvirt domain, or fragments of such. Without libvirt
 * in the build (domain_none.c) there is none. */
typedef struct DomainFile DomainFile;

bool domain_is_built(void);
/* name: the file's, without .xml; path: NULL for a built-in one, whose text is static, and is read
 * by domain_file_load() or never. */
int domain_file_new(const char *name, const char *path, const char *text, size_t size,
                    DomainFile **ret, CvmError *error);
/* All that is below, but name and label, is for one that is loaded. */
int domain_file_load(DomainFile *file, CvmError *error);
DomainFile *domain_file_free(DomainFile *file);
DEFINE_CLEANUP(DomainFile *, domain_file_free)
const char *domain_file_name(const DomainFile *file);
const char *domain_file_label(const DomainFile *file);
LibvirtNeeds domain_file_needs(const DomainFile *file);
/* The element of libxml2's that holds a fragment, in a file of fragments; or NULL. */
const void *domain_file_fragment(const DomainFile *file, const char *name);
/* The domain of a platform of that name, or NULL. */
const DomainFile *template_set_domain(const TemplateSet *set, const char *name);
/* As domain_file_fragment(), from whichever file has it; that of an override wins. */
const void *template_set_domain_fragment(const TemplateSet *set, const char *name,
                                         const DomainFile **ret_file);
/* Reads all domains: once, when the first of them is used or overridden. */
int template_set_load_domains(const TemplateSet *set, CvmError *error);
/* Whether a file of the configured directory is a domain, so that all of them are to be checked. */
bool template_set_domains_are_used(const TemplateSet *set);
/* TemplateInvalid: an XML file has no template next to it. */
int template_set_check_domains(const TemplateSet *set, CvmError *error);

/* Adds one file ("plain.json", "fragments.json") to a set, as template_set_load() does with each,
 * and checks all templates of a set against each other's fragments. For tests and fuzzing too. */
TemplateSet *template_set_new(void);
int template_set_add_file(TemplateSet *set, const char *file, const char *path, const char *text,
                          size_t size, CvmError *error);
int template_set_add_builtin(TemplateSet *set, CvmError *error);
int template_set_check(const TemplateSet *set, CvmError *error);

/* All variables as one tree (variables.c). A descriptor is an object {"$fd": WHAT}. */
/* A variable that stands for the number of a descriptor. */
json_object *variables_descriptor(const char *what);
json_object *variables_new(const TemplateSet *set, const Template *template,
                           const PlanInputs *inputs);

/* What the machine needs with vCPUs of AMD's, or of another maker's. */
AddressNeeds plan_address_needs(const Template *template, const PlanInputs *inputs, bool amd);

/* Whether this launch cannot do without: an IGVM file of a service VM boots no kernel. */
bool plan_needs_artifact(const Template *template, const PlanInputs *inputs, SpecArtifactKind kind);

/* What a template says of launchSecurity: refuses fields that there are not (security.c). */
int security_parse(json_object *rules, JsonRefuse refuse, void *userdata);
/* Adds what the platform does not accept to the faults of an InvalidSpec (base/fault.h), and
 * returns fault_result(). ArtifactInvalid if only the IGVM file's policy is wrong. */
int security_check(const Template *template, const PlanInputs *inputs, CvmError *error);
/* Each field by its name: bytes as base64, "" where not given (a policy: that of the IGVM file, or
 * the template's default); numbers as hexadecimal text, and as
 * integers under NAMENumber. */
json_object *security_variables(const Template *template, const PlanInputs *inputs);

/* Says whether the host has the file that the template takes where a spec names none
 * (requirements.c); for an artifact that has such a path. 0 or -ENOMEM. */
int requirements_check_artifact_path(const Template *template, SpecArtifactKind kind, bool there,
                                     HostCheck *ret);

/* How QEMU writes an option (option.c): nothing for null or true, "q35,hpet=off" for an object (the
 * first member may be the option's implied key), JSON for an object that holds objects, plain text
 * for a scalar. ret_has_value: whether there is an argument after the option's name. Returns 0,
 * -EINVAL (ret_reason: static; ret_key: the member at fault, or NULL) or -ENOMEM. */
int option_write(const char *option, json_object *value, Buffer *ret, bool *ret_has_value,
                 const char **ret_key, const char **ret_reason);
