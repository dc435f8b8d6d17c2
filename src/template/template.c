/* SPDX-License-Identifier: Apache-2.0 */
#include "template/template.h"

#include <stdio.h>
#include <string.h>

#include "internal.h"

/* The file while it is taken apart. */
typedef struct Raw {
        Template template;
        json_object *artifacts, *requires, *floors;
} Raw;

static const JsonField fields[] = {
        {"name", JSON_STRING, offsetof(Raw, template.name), JSON_REQUIRED},
        {"description", JSON_STRING, offsetof(Raw, template.description), JSON_REQUIRED},
        {"strength", JSON_INT, offsetof(Raw, template.strength), 0, 0, 1000},
        {"confidential", JSON_BOOL, offsetof(Raw, template.confidential)},
        {"qemu", JSON_STRING, offsetof(Raw, template.qemu), JSON_REQUIRED},
        {"measure", JSON_STRING, offsetof(Raw, template.measure)},
        {"vsock", JSON_BOOL, offsetof(Raw, template.vsock)},
        {"artifacts", JSON_OBJECT, offsetof(Raw, artifacts)},
        {"requires", JSON_OBJECT, offsetof(Raw, requires)},
        {"floors", JSON_OBJECT, offsetof(Raw, floors)},
        {"devices", JSON_ARRAY, offsetof(Raw, template.devices)},
        {"launchSecurity", JSON_OBJECT, offsetof(Raw, template.security)},
        {"arguments", JSON_ARRAY, offsetof(Raw, template.arguments), JSON_REQUIRED},
        {},
};

static const JsonField floor_fields[] = {
        {"maxcpus", JSON_INT, offsetof(Raw, template.floor_maxcpus), 0, 1, SPEC_CPUS_MAX},
        {"slots", JSON_INT, offsetof(Raw, template.floor_slots), 0, 0, 255},
        {"maxmem", JSON_STRING, offsetof(Raw, template.floor_maxmem_text)},
        {},
};

static const JsonField artifact_fields[] = {
        {"needed", JSON_BOOL, offsetof(TemplateArtifact, needed)},
        {"embedded", JSON_STRING, offsetof(TemplateArtifact, embedded)},
        {"debug", JSON_STRING, offsetof(TemplateArtifact, debug)},
        {},
};

typedef struct Source {
        const char *name, *origin, *text;
        size_t size;
        CvmError *error;
} Source;

static int refuse(void *userdata, const char *path, const char *reason)
{
        const Source *source = userdata;
        unsigned line = json_locate(source->text, source->size, path);

        return cvm_error_template(source->error, source->name, "%s:%u: %s: %s", source->origin,
                                  line ?: 1, path, reason);
}

static int parse_artifacts(Raw *raw, Source *source)
{
        json_object_object_foreach (raw->artifacts, key, value) {
                SpecArtifactKind kind = 0;
                char prefix[64];
                int r;

                snprintf(prefix, sizeof(prefix), "artifacts.%s", key);
                while (kind < _ARTIFACT_KIND_MAX && strcmp(spec_artifact_kind_name(kind), key) != 0)
                        kind++;
                if (kind == _ARTIFACT_KIND_MAX)
                        return refuse(source, prefix,
                                      "must be one of kernel, initramfs, firmware, igvm");
                r = json_dispatch(value, artifact_fields, &raw->template.artifacts[kind], prefix,
                                  refuse, source);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_host_checks(Raw *raw, json_object *names, Source *source)
{
        size_t n = names ? json_object_array_length(names) : 0;

        raw->template.host_checks = calloc(n + 1, sizeof(char *));
        if (!raw->template.host_checks)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(names, i));
                const char *const *known = host_check_names();

                while (name && *known && strcmp(*known, name) != 0)
                        known++;
                if (!name || !*known)
                        return refuse(source, "requires.host", "names an unknown check");
                raw->template.host_checks[i] = strdup(name);
                if (!raw->template.host_checks[i])
                        return -ENOMEM;
        }
        return 0;
}

static int parse_requires(Raw *raw, Source *source)
{
        typedef struct Requires {
                json_object *host, *qemu;
        } Requires;
        static const JsonField requires_fields[] = {
                {"host", JSON_ARRAY, offsetof(Requires, host)},
                {"qemu", JSON_OBJECT, offsetof(Requires, qemu)},
                {},
        };
        typedef struct Qemu {
                json_object *objects, *devices;
        } Qemu;
        static const JsonField qemu_fields[] = {
                {"objects", JSON_ARRAY, offsetof(Qemu, objects)},
                {"devices", JSON_ARRAY, offsetof(Qemu, devices)},
                {},
        };
        Requires requires = {};
        Qemu qemu = {};
        int r = 0;

        if (raw->requires)
                r = json_dispatch(raw->requires, requires_fields, &requires, "requires", refuse,
                                  source);
        if (r == 0 && requires.qemu)
                r = json_dispatch(requires.qemu, qemu_fields, &qemu, "requires.qemu", refuse,
                                  source);
        raw->template.requires_qemu = requires.qemu;
        return r < 0 ? r : parse_host_checks(raw, requires.host, source);
}

static int parse_floors(Raw *raw, Source *source)
{
        Template *t = &raw->template;
        int r = 0;

        t->floor_maxcpus = 1;
        if (raw->floors)
                r = json_dispatch(raw->floors, floor_fields, raw, "floors", refuse, source);
        if (r == 0 && t->floor_maxmem_text &&
            text_parse_size(t->floor_maxmem_text, &t->floor_maxmem) < 0)
                return refuse(source, "floors.maxmem", "must be a size such as \"30G\"");
        return r;
}

static bool is_file_name(const char *name)
{
        return *name && !strchr(name, '/') && *name != '.';
}

static int parse(Raw *raw, Source *source)
{
        Template *t = &raw->template;
        int r;

        r = json_dispatch(t->root, fields, raw, "", refuse, source);
        if (r < 0)
                return r;
        if (strcmp(t->name, source->name) != 0)
                return refuse(source, "name", "must be the file's name without .json");
        if (!is_file_name(t->qemu))
                return refuse(source, "qemu", "must be a program's file name, without directories");
        if (!t->measure && !(t->measure = strdup("none")))
                return -ENOMEM;
        if (raw->artifacts)
                r = parse_artifacts(raw, source);
        if (r == 0)
                r = parse_requires(raw, source);
        if (r == 0 && t->security)
                r = security_parse(t->security, refuse, source);
        return r < 0 ? r : parse_floors(raw, source);
}

int template_parse(const char *name, const char *origin, const char *text, size_t size,
                   Template **ret, CvmError *error)
{
        Source source = {name, origin, text, size, error};
        JsonParseError where;
        Raw raw = {};
        Template *template = calloc(1, sizeof(*template));
        int r;

        if (!template)
                return cvm_error_system(error, -ENOMEM, "read template %s", name);
        r = json_parse(text, size, &raw.template.root, &where);
        if (r == -EBADMSG)
                r = cvm_error_template(error, name, "%s:%u:%u: no valid JSON: %s", origin,
                                       where.line, where.column, where.reason);
        else if (r == 0)
                r = parse(&raw, &source);
        *template = raw.template;
        if (r == 0) {
                template->origin = strdup(origin);
                template->text = strndup(text, size);
                if (!template->origin || !template->text)
                        r = -ENOMEM;
        }
        if (r == -ENOMEM)
                cvm_error_system(error, r, "read template %s", name);
        if (r < 0) {
                template_free(template);
                return r;
        }
        *ret = template;
        return 0;
}

Template *template_free(Template *template)
{
        if (!template)
                return NULL;
        free(template->name);
        free(template->description);
        free(template->qemu);
        free(template->measure);
        free(template->origin);
        free(template->text);
        free(template->floor_maxmem_text);
        for (char **name = template->host_checks; name && *name; name++)
                free(*name);
        free(template->host_checks);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                free(template->artifacts[i].embedded);
                free(template->artifacts[i].debug);
        }
        json_object_put(template->root);
        free(template);
        return NULL;
}

const char *template_name(const Template *template)
{
        return template->name;
}

const char *template_description(const Template *template)
{
        return template->description;
}

const char *template_origin(const Template *template)
{
        return template->origin;
}

bool template_is_confidential(const Template *template)
{
        return template->confidential;
}

int64_t template_strength(const Template *template)
{
        return template->strength;
}

const char *template_measure(const Template *template)
{
        return template->measure;
}

const char *template_qemu(const Template *template)
{
        return template->qemu;
}

bool template_needs_artifact(const Template *template, SpecArtifactKind kind)
{
        return template->artifacts[kind].needed;
}

const char *template_default_artifact(const Template *template, SpecArtifactKind kind, bool debug)
{
        const TemplateArtifact *artifact = &template->artifacts[kind];

        return debug && artifact->debug ? artifact->debug : artifact->embedded;
}

const char *const *template_host_checks(const Template *template)
{
        return (const char *const *)template->host_checks;
}

bool template_needs_vsock(const Template *template)
{
        return template->vsock;
}
