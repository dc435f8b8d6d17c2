/* SPDX-License-Identifier: Apache-2.0 */

/* What a CVM's attestation must show, from the files that boot; no daemon is asked. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "measure/measure.h"
#include "measure_files.h"
#include "output.h"
#include "spec/spec.h"
#include "template/template.h"

#define ACPI_FILE_MAX (4u << 20) /* QEMU's tables are of some 128 KiB */
#define TEMPLATES                                                                                  \
        "/etc/cvmd/templates" /* where cvmd looks unless cvmd.conf names another place             \
                               */

/* The method of a platform: of its template, or named itself. */
static int find_method(const Arguments *arguments, MeasureMethod *ret)
{
        const char *platform = arguments_value(arguments, "platform");
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        const Template *template;
        const char *method = platform;

        if (!platform)
                return fail_usage(arguments, "--platform is needed");
        if (template_set_load(TEMPLATES, &set, &error) < 0)
                return fail_error(arguments, &error, NULL);
        template = template_set_find(set, platform);
        if (template)
                method = template_measure(template);
        *ret = measure_method_find(method);
        if (*ret < _MEASURE_METHOD_MAX)
                return 0;
        if (template)
                cvm_error_invalid_spec(&error, "platform",
                                       "what a CVM of '%s' measures cannot be told yet", platform);
        else
                cvm_error_invalid_spec(&error, "platform", "there is no platform '%s'", platform);
        return fail_error(arguments, &error, NULL);
}

static int read_numbers(const Arguments *arguments, MeasureInputs *inputs)
{
        const char *memory = arguments_value(arguments, "memory");
        const char *features = arguments_value(arguments, "guest-features");

        inputs->cpus = (uint32_t)arguments_number(arguments, "cpus", 0);
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

/* A line that may hold what a file or a user wrote. */
static void print_line(const char *before, const char *text)
{
        _cleanup_free_ char *safe = text_escape_control(text);

        printf("%s%s\n", before, safe ?: "-");
}

static void print_register(const Register *reg)
{
        _cleanup_free_ char *hex = hash_hex(&reg->value);

        printf("%s %s ", reg->name, hash_name(reg->value.algorithm));
        if (reg->state == MEASUREMENT_VALUE)
                printf("%s\n", hex ?: "-");
        else
                printf("%s\n",
                       reg->state == MEASUREMENT_NOT_GIVEN ? "not given" : "not predictable");
        if (reg->reason)
                printf("    %s\n", reg->reason);
        for (size_t i = 0; i < reg->n_events; i++) {
                const MeasurementEvent *event = &reg->events[i];
                _cleanup_free_ char *digest = event->has_digest ? hash_hex(&event->digest) : NULL;

                print_line("    ", event->what);
                if (digest)
                        printf("        %s\n", digest);
        }
}

static void print_profile(json_object *profile)
{
        json_object_object_foreach (profile, name, item)
                printf("Profile %s: %s%s%s%s\n", name, json_member_string(item, "value"),
                       json_member(item, "source") ? " (" : "",
                       json_member_string(item, "source") ?: "",
                       json_member(item, "source") ? ")" : "");
}

static void print_input(const MeasurementInput *input)
{
        _cleanup_free_ char *sha256 = text_hex(input->digests.sha256, SHA256_SIZE);

        printf("Input %s: ", input->name);
        if (input->text)
                print_line("", input->text);
        else
                printf("%" PRIu64 " bytes, sha256 %s\n", input->size, sha256 ?: "-");
}

static void print(const Measurement *measurement)
{
        for (size_t i = 0; i < measurement->n_registers; i++)
                print_register(&measurement->registers[i]);
        if (measurement->profile)
                print_profile(measurement->profile);
        for (size_t i = 0; i < measurement->n_inputs; i++)
                print_input(&measurement->inputs[i]);
}

static int print_json(const Arguments *arguments, MeasureMethod method,
                      const Measurement *measurement)
{
        _cleanup_json_ json_object *object = measurement_to_json(measurement);

        if (!object)
                return fail_memory(arguments);
        json_object_object_add(object, "platform",
                               json_new_text(arguments_value(arguments, "platform")));
        json_object_object_add(object, "method",
                               json_object_new_string(measure_method_name(method)));
        output_json(object);
        return CLI_DONE;
}

static int run(const Arguments *arguments, const MeasureInputs *inputs)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        if (measure_run(inputs, &measurement, &error) < 0)
                return fail_error(arguments, &error, NULL);
        if (arguments->json)
                return print_json(arguments, inputs->method, measurement);
        print(measurement);
        return CLI_DONE;
}

/* The three files of --acpi, owned. */
typedef struct AcpiData {
        char *data[3];
} AcpiData;

static void acpi_data_done(AcpiData *acpi)
{
        for (size_t i = 0; i < ARRAY_SIZE(acpi->data); i++)
                free(acpi->data[i]);
}

static int read_acpi(const Arguments *arguments, AcpiData *acpi, AcpiFiles *files)
{
        static const char *const names[] = {"table-loader", "rsdp", "tables"};
        Bytes *const targets[] = {&files->loader, &files->rsdp, &files->tables};
        const char *directory = arguments_value(arguments, "acpi");

        for (size_t i = 0; directory && i < ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *path = NULL;
                size_t size;
                int r;

                if (asprintf(&path, "%s/%s", directory, names[i]) < 0)
                        return fail_memory(arguments);
                r = file_read_at(AT_FDCWD, path, ACPI_FILE_MAX, &acpi->data[i], &size);
                if (r < 0)
                        return fail_file(arguments, path, 0, "%s", strerror(-r));
                *targets[i] = (Bytes){(uint8_t *)acpi->data[i], size};
        }
        return 0;
}

int verb_measure(const Arguments *arguments)
{
        MeasureInputs inputs = {
                .cmdline = arguments_value(arguments, "cmdline"),
                .cpu_model = arguments_value(arguments, "cpu-model"),
        };
        _cleanup_(acpi_data_done) AcpiData acpi = {};
        MeasuredFile files[_ARTIFACT_KIND_MAX] = {};
        MeasureFile *const targets[_ARTIFACT_KIND_MAX] = {
                [ARTIFACT_KERNEL] = &inputs.kernel,
                [ARTIFACT_INITRAMFS] = &inputs.initrd,
                [ARTIFACT_FIRMWARE] = &inputs.firmware,
                [ARTIFACT_IGVM] = &inputs.igvm,
        };
        int r;

        r = find_method(arguments, &inputs.method);
        if (r == 0)
                r = read_numbers(arguments, &inputs);
        if (r == 0)
                r = read_profile(arguments, &inputs.profile);
        if (r == 0)
                r = read_acpi(arguments, &acpi, &inputs.acpi);
        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++) {
                r = measured_file_load(arguments, kind, &files[kind]);
                *targets[kind] = measured_file_bytes(&files[kind]);
        }
        if (r == 0)
                r = run(arguments, &inputs);
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                measured_file_done(&files[kind]);
        return r;
}
