/* SPDX-License-Identifier: Apache-2.0 */
#include "template/template.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "template/template_internal.h"

/* The file while it is taken apart. */
typedef struct Raw {
        Template template;
        json_object *artifacts, *requires, *floors, *promise;
        char *promise_extra;
} Raw;

static const JsonField fields[] = {
        {"name", JSON_STRING, offsetof(Raw, template.name), JSON_REQUIRED},
        {"description", JSON_STRING, offsetof(Raw, template.description), JSON_REQUIRED},
        {"strength", JSON_INT, offsetof(Raw, template.strength), 0, 0, 1000},
        {"confidential", JSON_BOOL, offsetof(Raw, template.confidential)},
        {"qemu", JSON_STRING, offsetof(Raw, template.qemu), JSON_REQUIRED},
        {"measure", JSON_STRING, offsetof(Raw, template.measure)},
        {"libvirt", JSON_STRING, offsetof(Raw, template.libvirt)},
        {"vsock", JSON_BOOL, offsetof(Raw, template.vsock)},
        {"artifacts", JSON_OBJECT, offsetof(Raw, artifacts)},
        {"requires", JSON_OBJECT, offsetof(Raw, requires)},
        {"floors", JSON_OBJECT, offsetof(Raw, floors)},
        {"promise", JSON_OBJECT, offsetof(Raw, promise)},
        {"devices", JSON_ARRAY, offsetof(Raw, template.devices)},
        {"companions", JSON_ARRAY, offsetof(Raw, template.companions)},
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
        {"guest", JSON_STRING, offsetof(TemplateArtifact, guest)},
        {"path", JSON_STRING, offsetof(TemplateArtifact, path)},
        {"package", JSON_STRING, offsetof(TemplateArtifact, package)},
        {},
};

typedef struct Source {
        const char *name;
        const Document *document;
        CvmError *error;
} Source;

static int template_refuse(void *userdata, const char *path, const char *reason)
{
        const Source *source = userdata;

        return document_refuse(source->document, source->name, path, reason, source->error);
}

static int check_guest(Source *source, const char *prefix, SpecArtifactKind kind, const char *guest)
{
        static const char *const guests[] = {"native", "sev", "sev-es", "sev-snp", "tdx"};
        size_t i = 0;

        if (!guest)
                return 0;
        if (kind != ARTIFACT_FIRMWARE && kind != ARTIFACT_IGVM)
                return template_refuse(source, prefix, "only firmware and igvm can have guest");
        while (i < ARRAY_SIZE(guests) && strcmp(guests[i], guest) != 0)
                i++;
        return i < ARRAY_SIZE(guests)
                       ? 0
                       : template_refuse(source, prefix,
                                         "guest must be one of native, sev, sev-es, sev-snp, tdx");
}

static int parse_artifacts(Raw *raw, Source *source)
{
        json_object_object_foreach (raw->artifacts, key, value) {
                SpecArtifactKind kind = 0;
                _cleanup_free_ char *prefix = NULL;
                int r;

                prefix = text_format("artifacts.%s", key);
                if (!prefix) {
                        return -ENOMEM;
                }
                while (kind < _ARTIFACT_KIND_MAX && strcmp(spec_artifact_kind_name(kind), key) != 0)
                        kind++;
                if (kind == _ARTIFACT_KIND_MAX)
                        return template_refuse(source, prefix,
                                               "must be one of kernel, initramfs, firmware, igvm");
                raw->template.artifacts[kind].taken = true;
                r = json_dispatch(value, artifact_fields, &raw->template.artifacts[kind], prefix,
                                  template_refuse, source);
                if (r == 0)
                        r = check_guest(source, prefix, kind, raw->template.artifacts[kind].guest);
                if (r < 0)
                        return r;
                if (raw->template.artifacts[kind].path &&
                    *raw->template.artifacts[kind].path != '/')
                        return template_refuse(source, prefix, "'path' must be an absolute path");
        }
        return 0;
}

static int refuse_item(Source *source, const char *list, size_t index, const char *reason)
{
        _cleanup_free_ char *path = NULL;

        path = text_format("%s[%zu]", list, index);
        if (!path) {
                return -ENOMEM;
        }
        return template_refuse(source, path, reason);
}

/* Lets "kvm" come last: the platform's own checks say what lacks of KVM, too, and more. */
static void template_order_host_checks(char **names)
{
        char *kvm = NULL;
        size_t n = 0;

        for (size_t i = 0; names[i]; i++) {
                if (!kvm && strcmp(names[i], "kvm") == 0)
                        kvm = names[i];
                else
                        names[n++] = names[i];
        }
        if (kvm)
                names[n] = kvm;
}

static int parse_host_checks(Raw *raw, json_object *names, Source *source)
{
        size_t n = names ? json_object_array_length(names) : 0;

        raw->template.host_checks = calloc(n + 1, sizeof(char *));
        if (!raw->template.host_checks)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(names, i);
                const char *name = json_object_get_string(item);
                const char *const *known = host_check_names();

                while (json_object_is_type(item, json_type_string) && *known &&
                       strcmp(*known, name) != 0)
                        known++;
                if (!json_object_is_type(item, json_type_string) || !*known)
                        return refuse_item(source, "requires.host", i, "not the name of a check");
                raw->template.host_checks[i] = strdup(name);
                if (!raw->template.host_checks[i])
                        return -ENOMEM;
        }
        template_order_host_checks(raw->template.host_checks);
        return 0;
}

static int template_check_names(Source *source, const char *path, json_object *names)
{
        size_t n = names ? json_object_array_length(names) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *name = json_object_array_get_idx(names, i);

                if (!json_object_is_type(name, json_type_string) ||
                    !json_object_get_string_len(name))
                        return refuse_item(source, path, i, "must be a name");
        }
        return 0;
}

/* Object, or machine, to names of its properties. */
static int check_name_lists(Source *source, const char *path, json_object *lists)
{
        if (!lists)
                return 0;
        json_object_object_foreach (lists, name, names) {
                char inner[128];
                int r;

                snprintf(inner, sizeof(inner), "%s.%s", path, name);
                if (!json_object_is_type(names, json_type_array))
                        return template_refuse(source, inner, "must be an array");
                r = template_check_names(source, inner, names);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What QEMU must know; `path` is requires.qemu or requires.svsm. */
static int check_needs(Source *source, const char *path, json_object *needs)
{
        typedef struct Needs {
                json_object *objects, *properties, *devices, *cpus, *machines, *providers;
        } Needs;
        static const JsonField needs_fields[] = {
                {"objects", JSON_ARRAY, offsetof(Needs, objects)},
                {"properties", JSON_OBJECT, offsetof(Needs, properties)},
                {"devices", JSON_ARRAY, offsetof(Needs, devices)},
                {"cpus", JSON_ARRAY, offsetof(Needs, cpus)},
                {"machines", JSON_OBJECT, offsetof(Needs, machines)},
                {"providers", JSON_MAP, offsetof(Needs, providers)},
                {},
        };
        static const struct {
                const char *name;
                size_t offset;
                int (*check)(Source *source, const char *path, json_object *value);
        } lists[] = {
                {"objects", offsetof(Needs, objects), template_check_names},
                {"devices", offsetof(Needs, devices), template_check_names},
                {"cpus", offsetof(Needs, cpus), template_check_names},
                {"properties", offsetof(Needs, properties), check_name_lists},
                {"machines", offsetof(Needs, machines), check_name_lists},
        };
        Needs parsed = {};
        int r = needs ? json_dispatch(needs, needs_fields, &parsed, path, template_refuse, source)
                      : 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++) {
                char inner[64];

                snprintf(inner, sizeof(inner), "%s.%s", path, lists[i].name);
                r = lists[i].check(source, inner,
                                   *(json_object **)((char *)&parsed + lists[i].offset));
        }
        return r;
}

static int parse_requires(Raw *raw, Source *source)
{
        typedef struct Requires {
                json_object *host, *qemu, *svsm;
        } Requires;
        static const JsonField requires_fields[] = {
                {"host", JSON_ARRAY, offsetof(Requires, host)},
                {"qemu", JSON_OBJECT, offsetof(Requires, qemu)},
                {"svsm", JSON_OBJECT, offsetof(Requires, svsm)},
                {},
        };
        Requires requires = {};
        int r = 0;

        if (raw->requires)
                r = json_dispatch(raw->requires, requires_fields, &requires, "requires",
                                  template_refuse, source);
        if (r == 0)
                r = check_needs(source, "requires.qemu", requires.qemu);
        if (r == 0)
                r = check_needs(source, "requires.svsm", requires.svsm);
        raw->template.requires_qemu = requires.qemu;
        raw->template.requires_svsm = requires.svsm;
        return r < 0 ? r : parse_host_checks(raw, requires.host, source);
}

static int parse_promise(Raw *raw, Source *source)
{
        static const JsonField promise_fields[] = {
                {"percent", JSON_INT, offsetof(Raw, template.promise_percent), 0, 100, 1000},
                {"extra", JSON_STRING, offsetof(Raw, promise_extra)},
                {},
        };
        int r = 0;

        raw->template.promise_percent = 100;
        if (raw->promise)
                r = json_dispatch(raw->promise, promise_fields, raw, "promise", template_refuse,
                                  source);
        if (r == 0 && raw->promise_extra &&
            (text_parse_size(raw->promise_extra, &raw->template.promise_extra) < 0 ||
             raw->template.promise_extra > UINT64_C(1) << 40))
                r = template_refuse(source, "promise.extra",
                                    "must be a size, for example \"256M\", at most 1T");
        free(TAKE_PTR(raw->promise_extra));
        return r;
}

static int parse_floors(Raw *raw, Source *source)
{
        Template *t = &raw->template;
        int r = 0;

        t->floor_maxcpus = 1;
        if (raw->floors)
                r = json_dispatch(raw->floors, floor_fields, raw, "floors", template_refuse,
                                  source);
        if (r == 0 && t->floor_maxmem_text &&
            text_parse_size(t->floor_maxmem_text, &t->floor_maxmem) < 0)
                return template_refuse(source, "floors.maxmem",
                                       "must be a size, for example \"30G\"");
        return r;
}

/* What a spec can name, see spec_parse(). */
static bool is_platform_name(const char *name)
{
        return *name && strlen(name) <= SPEC_PLATFORM_MAX && strcmp(name, "auto") != 0 &&
               name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

static bool is_file_name(const char *name)
{
        return *name && !strchr(name, '/') && *name != '.';
}

static int template_parse_root(Raw *raw, Source *source)
{
        Template *t = &raw->template;
        int r;

        r = json_dispatch(t->document->root, fields, raw, "", template_refuse, source);
        if (r < 0)
                return r;
        if (strcmp(t->name, source->name) != 0)
                return template_refuse(source, "name", "must be the file's name without .json");
        if (!is_platform_name(t->name))
                return template_refuse(source, "name",
                                       "must be 1 to 32 lowercase letters, digits and '-', "
                                       "and not auto");
        if (!is_file_name(t->qemu))
                return template_refuse(source, "qemu",
                                       "must be a program's file name, without directories");
        if (!t->measure && !(t->measure = strdup("none")))
                return -ENOMEM;
        if (raw->artifacts)
                r = parse_artifacts(raw, source);
        if (r == 0)
                r = parse_requires(raw, source);
        if (r == 0 && t->security)
                r = security_parse(t->security, template_refuse, source);
        if (r == 0)
                r = parse_promise(raw, source);
        return r < 0 ? r : parse_floors(raw, source);
}

int template_parse(const char *name, const char *path, const char *text, size_t size,
                   Template **ret, CvmError *error)
{
        Source source = {.name = name, .error = error};
        _cleanup_free_ char *label = NULL;
        Raw raw = {};
        Template *template = calloc(1, sizeof(*template));
        int r;

        label = document_label(path, name);
        if (!template || !label)
                r = -ENOMEM;
        else
                r = document_new(name, label, text, size, &raw.template.document, error);
        if (r == 0) {
                source.document = raw.template.document;
                raw.template.origin = strdup(path ?: "built-in");
                r = raw.template.origin ? template_parse_root(&raw, &source) : -ENOMEM;
        }
        if (template)
                *template = raw.template;
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
        free(template->libvirt);
        free(template->origin);
        free(template->floor_maxmem_text);
        for (char **name = template->host_checks; name && *name; name++)
                free(*name);
        free(template->host_checks);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                free(template->artifacts[i].embedded);
                free(template->artifacts[i].debug);
                free(template->artifacts[i].guest);
                free(template->artifacts[i].path);
                free(template->artifacts[i].package);
        }
        document_free(template->document);
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

bool template_takes_artifact(const Template *template, SpecArtifactKind kind)
{
        return template->artifacts[kind].taken;
}

const char *template_artifact_guest(const Template *template, SpecArtifactKind kind)
{
        return template->artifacts[kind].guest;
}

const char *template_default_path(const Template *template, SpecArtifactKind kind)
{
        return template->artifacts[kind].path;
}

json_object *template_requires_qemu(const Template *template)
{
        return template->requires_qemu;
}

json_object *template_requires_svsm(const Template *template)
{
        return template->requires_svsm;
}

const char *const *template_host_checks(const Template *template)
{
        return (const char *const *)template->host_checks;
}

bool template_needs_vsock(const Template *template)
{
        return template->vsock;
}

bool template_requires_host(const Template *template, const char *check)
{
        for (char **name = template->host_checks; *name; name++)
                if (strcmp(*name, check) == 0)
                        return true;
        return false;
}

uint64_t template_promise(const Template *template, uint64_t memory)
{
        /* in units of 100 bytes first: memory is at most INT64_MAX */
        return memory / 100 * (uint64_t) template->promise_percent +
               memory % 100 * (uint64_t) template->promise_percent / 100 + template->promise_extra;
}
