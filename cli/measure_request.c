/* SPDX-License-Identifier: Apache-2.0 */
#include "measure_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "fail.h"
#include "launch_spec.h"
#include "measure/boot_check.h"
#include "template/template.h"

#define ACPI_FILE_MAX (4u << 20) /* QEMU's tables are of some 128 KiB */
#define TEMPLATES                                                                                  \
        "/etc/cvmd/templates" /* where cvmd looks unless cvmd.conf names another place             \
                               */

void measure_request_done(MeasureRequest *request)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                measured_file_done(&request->files[kind]);
        for (size_t i = 0; i < ARRAY_SIZE(request->acpi); i++)
                free(request->acpi[i]);
        spec_free(request->spec);
        *request = (MeasureRequest){};
}

static int _printf_(3, 4)
        refuse(const Arguments *arguments, const char *field, const char *format, ...)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *reason = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&reason, format, ap);
        va_end(ap);
        if (n < 0) {
                reason = NULL;
                return fail_memory(arguments);
        }
        cvm_error_invalid_spec(&error, field, "%s", reason);
        return fail_error(arguments, &error, NULL);
}

static int read_spec(const Arguments *arguments, MeasureRequest *request)
{
        const char *path = arguments_value(arguments, "file");
        const char *platform = arguments_value(arguments, "platform");
        MeasureInputs *inputs = &request->inputs;
        int r;

        if (path) {
                r = launch_spec_read(arguments, path, &request->spec);
                if (r != 0)
                        return r;
                inputs->cmdline = spec_cmdline(request->spec);
                inputs->cpus = request->spec->cpus;
                inputs->memory = request->spec->memory;
        }
        request->platform = platform ?: request->spec ? request->spec->platform : NULL;
        if (!request->platform)
                return fail_usage(arguments, "--platform or --file is needed");
        if (strcmp(request->platform, "auto") == 0)
                return refuse(arguments, "platform",
                              "%s depends on the host: name one (--platform)", "auto");
        return 0;
}

/* The method of a platform: of its template, or named itself. */
static int measure_request_find_method(const Arguments *arguments, const char *platform,
                                       const Template *template, MeasureMethod *ret)
{
        *ret = measure_method_find(template ? template_measure(template) : platform);
        if (*ret < _MEASURE_METHOD_MAX)
                return 0;
        if (template)
                return refuse(arguments, "platform",
                              "what a CVM of '%s' measures cannot be told yet", platform);
        return refuse(arguments, "platform", "there is no platform '%s'", platform);
}

static int read_numbers(const Arguments *arguments, MeasureInputs *inputs)
{
        const char *memory = arguments_value(arguments, "memory");
        const char *features = arguments_value(arguments, "guest-features");

        inputs->cpus = (uint32_t)arguments_number(arguments, "cpus", inputs->cpus);
        if (memory && (text_parse_size(memory, &inputs->memory) < 0 || inputs->memory == 0))
                return fail_usage(arguments,
                                  "--memory must be bytes, or a number with K, M, G or T, not '%s'",
                                  memory);
        if (features) {
                char *end;

                errno = 0;
                inputs->features = strtoull(features, &end, 0);
                if (errno != 0 || end == features || *end || *features == '-' || !inputs->features)
                        return fail_usage(arguments,
                                          "--guest-features must be a number as 0x21, "
                                          "not '%s'",
                                          features);
        }
        return 0;
}

static int read_profile(const Arguments *arguments, Profile *profile)
{
        const char *text = arguments_value(arguments, "profile");
        const char *qemu = arguments_value(arguments, "qemu");
        _cleanup_(cvm_error_done) CvmError error = {};

        if (text && profile_parse(profile, text, &error) < 0)
                return fail_error(arguments, &error, NULL);
        if (qemu && profile_parse_qemu(profile, qemu, &error) < 0)
                return fail_error(arguments, &error, NULL);
        return 0;
}

/* The file of a kind, by option, spec or neither. */
static int find_file(const Arguments *arguments, const Template *template, SpecArtifactKind kind,
                     const CvmSpec *spec, MeasuredPath *ret)
{
        const char *name = spec_artifact_kind_name(kind), *path = arguments_value(arguments, name);
        const SpecArtifact *artifact = spec ? &spec->artifacts[kind] : NULL;
        const char *embedded = NULL;

        if (path && strncmp(path, "embedded:", 9) == 0)
                return fail_usage(arguments,
                                  "--%s must be a file: only the daemon has embedded ones", name);
        if (path) {
                ret->path = *path ? path : NULL;
                return 0;
        }
        if (!artifact)
                return 0;
        if (artifact->path) {
                *ret = (MeasuredPath){artifact->path,
                                      artifact->has_sha256 ? artifact->sha256 : NULL};
                return 0;
        }
        if (artifact->name)
                embedded = artifact->name;
        else if (template)
                embedded = template_default_artifact(template, kind, spec->debug);
        if (!embedded && template && template_default_path(template, kind)) {
                ret->path = template_default_path(template, kind);
                return 0;
        }
        return embedded ? refuse(arguments, name,
                                 "is embedded:%s, which only the daemon has: name a file, or give "
                                 "an empty name for none",
                                 embedded)
                        : 0;
}

/* A method is that of several platforms, which differ in what they boot from. */
static int check_taken(const Arguments *arguments, const Template *template,
                       const MeasuredPath paths[static _ARTIFACT_KIND_MAX])
{
        static const SpecArtifactKind kinds[] = {ARTIFACT_FIRMWARE, ARTIFACT_IGVM};

        for (size_t i = 0; template && i < ARRAY_SIZE(kinds); i++) {
                if (!paths[kinds[i]].path || template_takes_artifact(template, kinds[i]))
                        continue;
                return refuse(arguments, spec_artifact_kind_name(kinds[i]),
                              kinds[i] == ARTIFACT_FIRMWARE &&
                                              template_takes_artifact(template, ARTIFACT_IGVM)
                                      ? "platform %s has it within the IGVM file (--igvm)"
                                      : "platform %s boots from none",
                              template_name(template));
        }
        return 0;
}

/* What no launch could have is not measured. */
static int check_id_block(const Arguments *arguments, const Template *template, const CvmSpec *spec,
                          bool has_igvm)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (!template || !spec || template_check_id_block(template, spec, has_igvm, &error) == 0)
                return 0;
        return fail_error(arguments, &error, NULL);
}

static int read_acpi(const Arguments *arguments, MeasureRequest *request)
{
        static const char *const names[] = {"table-loader", "rsdp", "tables"};
        AcpiFiles *files = &request->inputs.acpi;
        Bytes *const targets[] = {&files->loader, &files->rsdp, &files->tables};
        const char *directory = arguments_value(arguments, "acpi");

        for (size_t i = 0; directory && i < ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *path = NULL;
                size_t size;
                int r;

                if (asprintf(&path, "%s/%s", directory, names[i]) < 0)
                        return fail_memory(arguments);
                r = file_read_at(AT_FDCWD, path, ACPI_FILE_MAX, &request->acpi[i], &size);
                if (r < 0)
                        return fail_file_error(arguments, path, r, NULL);
                *targets[i] = (Bytes){(uint8_t *)request->acpi[i], size};
        }
        return 0;
}

/* As a launch does. Without a kernel nobody launches it by this template, which needs one: then
 * only what QEMU itself wants counts. */
static int check_firmware(const Arguments *arguments, const Template *template,
                          const MeasureInputs *inputs)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const char *guest = template && inputs->kernel.bytes.data
                                    ? template_artifact_guest(template, ARTIFACT_FIRMWARE)
                                    : NULL;

        if (!inputs->firmware.bytes.data ||
            boot_check_firmware(inputs->firmware.bytes, spec_artifact_kind_name(ARTIFACT_FIRMWARE),
                                guest, &error) == 0)
                return 0;
        return fail_error(arguments, &error, NULL);
}

static int measure_request_load_files(const Arguments *arguments, const TemplateSet *templates,
                                      MeasureRequest *request)
{
        MeasureInputs *inputs = &request->inputs;
        MeasureFile *const targets[_ARTIFACT_KIND_MAX] = {
                [ARTIFACT_KERNEL] = &inputs->kernel,
                [ARTIFACT_INITRAMFS] = &inputs->initrd,
                [ARTIFACT_FIRMWARE] = &inputs->firmware,
                [ARTIFACT_IGVM] = &inputs->igvm,
        };
        MeasuredPath paths[_ARTIFACT_KIND_MAX] = {};
        const Template *template;
        int r;

        r = read_spec(arguments, request);
        if (r != 0)
                return r;
        template = template_set_find(templates, request->platform);
        r = measure_request_find_method(arguments, request->platform, template, &inputs->method);
        inputs->cmdline = arguments_value(arguments, "cmdline") ?: inputs->cmdline;
        inputs->cpu_model = arguments_value(arguments, "cpu-model");
        if (r == 0)
                r = read_numbers(arguments, inputs);
        if (r == 0)
                r = read_profile(arguments, &inputs->profile);
        if (r == 0)
                r = read_acpi(arguments, request);
        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++)
                r = find_file(arguments, template, kind, request->spec, &paths[kind]);
        if (r == 0)
                r = check_taken(arguments, template, paths);
        if (r == 0)
                r = check_id_block(arguments, template, request->spec,
                                   paths[ARTIFACT_IGVM].path != NULL);
        /* what a spec leaves out is for its kernel */
        if (!paths[ARTIFACT_KERNEL].path && !arguments_has(arguments, "cmdline") &&
            !(request->spec && request->spec->cmdline))
                inputs->cmdline = NULL;
        paths[ARTIFACT_FIRMWARE].method = paths[ARTIFACT_IGVM].method = inputs->method;
        paths[ARTIFACT_FIRMWARE].code = paths[ARTIFACT_IGVM].code = measure_needs_code(
                inputs->method, paths[ARTIFACT_KERNEL].path, inputs->acpi.loader.data);
        if (r == 0)
                r = measured_files_open(arguments, paths, request->files);
        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++)
                *targets[kind] = measured_file_bytes(&request->files[kind]);
        return r == 0 ? check_firmware(arguments, template, inputs) : r;
}

int measure_request_load(const Arguments *arguments, MeasureRequest *ret)
{
        _cleanup_(template_set_freep) TemplateSet *templates = NULL;
        _cleanup_(measure_request_done) MeasureRequest request = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        int r;

        if (template_set_load(TEMPLATES, &templates, &error) < 0)
                return fail_error(arguments, &error, NULL);
        r = measure_request_load_files(arguments, templates, &request);
        if (r != 0)
                return r;
        *ret = request;
        request = (MeasureRequest){};
        return 0;
}
