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
#include "memory_flag.h"
#include "template/template.h"

#define ACPI_FILE_MAX (4u << 20) /* QEMU's tables are of some 128 KiB */
/* Where cvmd looks unless cvmd.conf names another place. */
#define TEMPLATES "/etc/cvmd/templates"

void measure_request_done(MeasureRequest *request)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                measured_file_done(&request->files[kind]);
        for (size_t i = 0; i < ARRAY_SIZE(request->acpi); i++)
                free(request->acpi[i]);
        image_done(&request->image);
        free(request->image_reference);
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                free(request->image_paths[kind]);
        spec_free(request->spec);
        *request = (MeasureRequest){};
}

static ExitStatus _printf_(3, 4) refuse(const Cli *cli, const char *field, const char *format, ...)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *reason = NULL;
        va_list ap;

        va_start(ap, format);
        reason = text_format_v(format, ap);
        va_end(ap);
        if (!reason)
                return fail_memory(cli);
        cvm_error_invalid_spec(&error, field, "%s", reason);
        return fail_error(cli, &error, NULL);
}

MeasureOptions measure_options(const Arguments *arguments)
{
        MeasureOptions options = {
                .file = arguments_value(arguments, "file"),
                .platform = arguments_value(arguments, "platform"),
                .image = arguments_value(arguments, "image"),
                .cmdline = arguments_value(arguments, "cmdline"),
                .cpu_model = arguments_value(arguments, "cpu-model"),
                .features = arguments_value(arguments, "guest-features"),
                .memory = arguments_value(arguments, "memory"),
                .qemu = arguments_value(arguments, "qemu"),
                .profile = arguments_value(arguments, "profile"),
                .acpi = arguments_value(arguments, "acpi"),
                .cpus = (uint32_t)arguments_number(arguments, "cpus", 0),
        };

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                options.paths[kind] = arguments_value(arguments, spec_artifact_kind_name(kind));
        return options;
}

const char *measure_options_given(const MeasureOptions *options)
{
        const struct {
                const char *name, *value;
        } texts[] = {
                {"file", options->file},           {"platform", options->platform},
                {"image", options->image},         {"cmdline", options->cmdline},
                {"cpu-model", options->cpu_model}, {"guest-features", options->features},
                {"memory", options->memory},       {"qemu", options->qemu},
                {"profile", options->profile},     {"acpi", options->acpi},
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (texts[i].value)
                        return texts[i].name;
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (options->paths[kind])
                        return spec_artifact_kind_name(kind);
        return options->cpus ? "cpus" : NULL;
}

static ExitStatus read_spec(const Cli *cli, const MeasureOptions *options, MeasureRequest *request)
{
        MeasureInputs *inputs = &request->inputs;
        ExitStatus status;

        if (options->file) {
                status = launch_spec_read(cli, options->file, &request->spec);
                if (status.code)
                        return status;
                inputs->cmdline = spec_cmdline(request->spec);
                inputs->cpus = request->spec->cpus;
                inputs->memory = request->spec->memory;
        }
        request->platform = options->platform ?: request->spec ? request->spec->platform : NULL;
        if (!request->platform)
                return fail_usage(cli, "a CVM's name, --platform or --file is required");
        if (strcmp(request->platform, "auto") == 0)
                return refuse(cli, "platform",
                              "%s depends on the host: give a platform (--platform)", "auto");
        return EXIT_OK;
}

ExitStatus measure_request_refuse_unmeasured(const Cli *cli)
{
        return refuse(cli, "platform", "this platform does not measure anything of a CVM");
}

/* The method of a platform: of its template, or named itself. */
static ExitStatus measure_request_find_method(const Cli *cli, const char *platform,
                                              const Template *template, MeasureMethod *ret)
{
        *ret = measure_method_find(template ? template_measure(template) : platform);
        if (*ret < _MEASURE_METHOD_MAX)
                return EXIT_OK;
        if (template)
                return refuse(cli, "platform",
                              "the measurement of a CVM of platform '%s' cannot be predicted yet",
                              platform);
        return refuse(cli, "platform", "unknown platform '%s'", platform);
}

static ExitStatus read_numbers(const Cli *cli, const MeasureOptions *options, MeasureInputs *inputs)
{
        const char *memory = options->memory, *features = options->features;

        inputs->cpus = options->cpus ?: inputs->cpus;
        if (memory) {
                ExitStatus status = memory_flag_parse(cli, memory, &inputs->memory);

                if (status.code)
                        return status;
        }
        if (features) {
                char *end;

                errno = 0;
                inputs->features = strtoull(features, &end, 0);
                if (errno != 0 || end == features || *end || *features == '-' || !inputs->features)
                        return fail_usage(
                                cli,
                                "invalid --guest-features '%s': expected a number such as 0x21",
                                features);
        }
        return EXIT_OK;
}

static ExitStatus read_profile(const Cli *cli, const char *text, const char *qemu, Profile *profile)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (text && profile_parse(profile, text, &error) < 0)
                return fail_error(cli, &error, NULL);
        if (qemu && profile_parse_qemu(profile, qemu, &error) < 0)
                return fail_error(cli, &error, NULL);
        return EXIT_OK;
}

/* The image that the option or the spec names, with the paths of its files. */
static ExitStatus find_image(const Cli *cli, const MeasureOptions *options, MeasureRequest *request)
{
        static const SpecArtifactKind kinds[] = {ARTIFACT_KERNEL, ARTIFACT_INITRAMFS};
        const ImagePlaces places = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        const CvmSpec *spec = request->spec;
        bool debug = spec && spec->debug;
        SpecImage named = {};
        int r;

        if (!options->image && !(spec && spec->image.name))
                return EXIT_OK;
        for (size_t i = 0; options->image && i < ARRAY_SIZE(kinds); i++)
                if (options->paths[kinds[i]])
                        return fail_usage(cli, "--image has its own %s: omit --%s",
                                          spec_artifact_kind_name(kinds[i]),
                                          spec_artifact_kind_name(kinds[i]));
        if (options->image && strchr(options->image, '/')) {
                r = image_open(options->image, NULL, &request->image, &error);
        } else {
                if (options->image && !spec_image_parse(options->image, &named))
                        return fail_usage(cli, "--image requires NAME, NAME@sha256:HEX, or a "
                                               "directory with a '/' in its path");
                r = image_find(&places, options->image ? &named : &spec->image, NULL,
                               &request->image, &error);
                free(named.name);
        }
        if (r == 0)
                r = image_check(&request->image, request->inputs.memory ?: UINT64_MAX, debug,
                                &error);
        if (r < 0)
                return fail_error(cli, &error, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                const ImageFile *file = image_file(&request->image, kinds[i], debug);

                request->image_paths[kinds[i]] = image_path(&request->image, file);
                if (!request->image_paths[kinds[i]])
                        return fail_memory(cli);
        }
        request->image_reference = image_reference(&request->image);
        request->inputs.image = request->image_reference;
        return request->image_reference ? EXIT_OK : fail_memory(cli);
}

/* The file that the image brings, if it brings one. */
static void find_image_file(const MeasureRequest *request, SpecArtifactKind kind, MeasuredPath *ret)
{
        const ImageFile *file =
                image_file(&request->image, kind, request->spec && request->spec->debug);

        if (request->image_paths[kind])
                *ret = (MeasuredPath){request->image_paths[kind], file->sha256};
}

/* The file of a kind: path, which an option gave, or by the spec, or neither. */
static ExitStatus find_file(const Cli *cli, const char *path, const Template *template,
                            SpecArtifactKind kind, const CvmSpec *spec, MeasuredPath *ret)
{
        const char *name = spec_artifact_kind_name(kind);
        const SpecArtifact *artifact = spec ? &spec->artifacts[kind] : NULL;
        const char *embedded = NULL;

        if (path && strncmp(path, "embedded:", 9) == 0)
                return fail_usage(
                        cli, "--%s must be a file, because only the daemon has embedded artifacts",
                        name);
        if (path) {
                ret->path = *path ? path : NULL;
                return EXIT_OK;
        }
        if (!artifact)
                return EXIT_OK;
        if (artifact->path) {
                *ret = (MeasuredPath){artifact->path,
                                      artifact->has_sha256 ? artifact->sha256 : NULL};
                return EXIT_OK;
        }
        if (artifact->name)
                embedded = artifact->name;
        else if (template)
                embedded = template_default_artifact(template, kind, spec->debug);
        if (!embedded && template && template_default_path(template, kind)) {
                ret->path = template_default_path(template, kind);
                return EXIT_OK;
        }
        return embedded ? refuse(cli, name,
                                 "is embedded:%s, which only the daemon has: give a file, or an "
                                 "empty name for none",
                                 embedded)
                        : EXIT_OK;
}

/* A method is that of several platforms, which differ in what they boot from. */
static ExitStatus check_taken(const Cli *cli, const Template *template,
                              const MeasuredPath paths[static _ARTIFACT_KIND_MAX])
{
        static const SpecArtifactKind kinds[] = {ARTIFACT_FIRMWARE, ARTIFACT_IGVM};

        for (size_t i = 0; template && i < ARRAY_SIZE(kinds); i++) {
                if (!paths[kinds[i]].path || template_takes_artifact(template, kinds[i]))
                        continue;
                return refuse(cli, spec_artifact_kind_name(kinds[i]),
                              kinds[i] == ARTIFACT_FIRMWARE &&
                                              template_takes_artifact(template, ARTIFACT_IGVM)
                                      ? "platform %s has it within the IGVM file (--igvm)"
                                      : "platform %s does not boot from such a file",
                              template_name(template));
        }
        return EXIT_OK;
}

/* What no launch could have is not measured. */
static ExitStatus check_id_block(const Cli *cli, const Template *template, const CvmSpec *spec,
                                 bool has_igvm)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (!template || !spec || template_check_id_block(template, spec, has_igvm, &error) == 0)
                return EXIT_OK;
        return fail_error(cli, &error, NULL);
}

static ExitStatus read_acpi(const Cli *cli, const char *directory, MeasureRequest *request)
{
        static const char *const names[] = {"table-loader", "rsdp", "tables"};
        AcpiFiles *files = &request->inputs.acpi;
        Bytes *const targets[] = {&files->loader, &files->rsdp, &files->tables};

        for (size_t i = 0; directory && i < ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *path = NULL;
                size_t size;
                int r;

                path = text_format("%s/%s", directory, names[i]);
                if (!path)
                        return fail_memory(cli);
                r = file_read_at(AT_FDCWD, path, ACPI_FILE_MAX, &request->acpi[i], &size);
                if (r < 0)
                        return fail_file_error(cli, path, r, NULL);
                *targets[i] = (Bytes){(uint8_t *)request->acpi[i], size};
        }
        return EXIT_OK;
}

/* As a launch does. If the template requires a kernel and none is given, no launch uses these files
 * as they are: then only what QEMU itself requires is checked. */
static ExitStatus check_firmware(const Cli *cli, const Template *template,
                                 const MeasureInputs *inputs)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const char *guest = template && inputs->kernel.bytes.data
                                    ? template_artifact_guest(template, ARTIFACT_FIRMWARE)
                                    : NULL;

        if (!inputs->firmware.bytes.data ||
            boot_check_firmware(inputs->firmware.bytes, spec_artifact_kind_name(ARTIFACT_FIRMWARE),
                                guest, &error) == 0)
                return EXIT_OK;
        return fail_error(cli, &error, NULL);
}

static ExitStatus measure_request_load_files(const Cli *cli, const MeasureOptions *options,
                                             const TemplateSet *templates, MeasureRequest *request)
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
        ExitStatus status = read_spec(cli, options, request);

        if (status.code)
                return status;
        template = template_set_find(templates, request->platform);
        status = measure_request_find_method(cli, request->platform, template, &inputs->method);
        inputs->cmdline = options->cmdline ?: inputs->cmdline;
        inputs->cpu_model = options->cpu_model;
        if (!status.code)
                status = read_numbers(cli, options, inputs);
        if (!status.code)
                status = read_profile(cli, options->profile, options->qemu, &inputs->profile);
        if (!status.code)
                status = read_acpi(cli, options->acpi, request);
        if (!status.code)
                status = find_image(cli, options, request);
        for (SpecArtifactKind kind = 0; !status.code && kind < _ARTIFACT_KIND_MAX; kind++) {
                find_image_file(request, kind, &paths[kind]);
                if (!paths[kind].path)
                        status = find_file(cli, options->paths[kind], template, kind, request->spec,
                                           &paths[kind]);
        }
        if (!status.code)
                status = check_taken(cli, template, paths);
        if (!status.code)
                status = check_id_block(cli, template, request->spec,
                                        paths[ARTIFACT_IGVM].path != NULL);
        /* what a spec leaves out is for its kernel */
        if (!paths[ARTIFACT_KERNEL].path && !options->cmdline &&
            !(request->spec && request->spec->cmdline))
                inputs->cmdline = NULL;
        paths[ARTIFACT_FIRMWARE].method = paths[ARTIFACT_IGVM].method = inputs->method;
        paths[ARTIFACT_FIRMWARE].code = paths[ARTIFACT_IGVM].code = measure_needs_code(
                inputs->method, paths[ARTIFACT_KERNEL].path, inputs->acpi.loader.data);
        if (!status.code)
                status = measured_files_open(cli, paths, request->files);
        for (SpecArtifactKind kind = 0; !status.code && kind < _ARTIFACT_KIND_MAX; kind++)
                *targets[kind] = measured_file_bytes(&request->files[kind]);
        return status.code ? status : check_firmware(cli, template, inputs);
}

ExitStatus measure_request_load(const Cli *cli, const MeasureOptions *options, MeasureRequest *ret)
{
        _cleanup_(template_set_freep) TemplateSet *templates = NULL;
        _cleanup_(measure_request_done) MeasureRequest request = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        ExitStatus status;

        if (template_set_load(TEMPLATES, &templates, &error) < 0)
                return fail_error(cli, &error, NULL);
        status = measure_request_load_files(cli, options, templates, &request);
        if (status.code)
                return status;
        *ret = TAKE_STRUCT(request);
        return EXIT_OK;
}
