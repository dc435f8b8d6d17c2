/* SPDX-License-Identifier: Apache-2.0 */

/* What a CVM's attestation must show: from the files that boot, asking no daemon, or of a CVM, as
 * it was computed when it was launched. */

#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "measure/igvm.h"
#include "measure/igvm_summary.h"
#include "measure/measurement_document.h"
#include "measure_format.h"
#include "measure_id_block.h"
#include "measure_request.h"
#include "measure_tree.h"
#include "output.h"
#include "output_file.h"
#include "reply.h"
#include "session.h"

#define POLICY_DEFAULT 0x30000u /* of QEMU's sev-snp-guest: SMT, and the bit that must be set */

/* A line that may hold what a file or a user wrote. */
static void measure_print_line(const char *before, const char *text)
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
                measure_print_line("    ", reg->reason);
        for (size_t i = 0; i < reg->n_events; i++) {
                const MeasurementEvent *event = &reg->events[i];
                _cleanup_free_ char *digest = event->has_digest ? hash_hex(&event->digest) : NULL;

                measure_print_line("    ", event->what);
                if (digest)
                        printf("        %s\n", digest);
        }
}

static void print_profile(json_object *profile)
{
        json_object_object_foreach (profile, name, item) {
                const char *value = json_member_string(item, "value") ?: "-";
                const char *source = json_member_string(item, "source");
                _cleanup_free_ char *line = source ? text_format("%s: %s (%s)", name, value, source)
                                                   : text_format("%s: %s", name, value);

                if (line)
                        measure_print_line("Profile ", line);
        }
}

static void print_input(const MeasurementInput *input)
{
        _cleanup_free_ char *sha256 = text_hex(input->digests.sha256, SHA256_SIZE);

        printf("Input %s: ", input->name);
        if (input->text)
                measure_print_line("", input->text);
        else if (input->sha256_only)
                printf("sha256 %s\n", sha256 ?: "-");
        else
                printf("%" PRIu64 " bytes, sha256 %s\n", input->size, sha256 ?: "-");
}

static void measure_print(const Measurement *measurement)
{
        for (size_t i = 0; i < measurement->n_registers; i++)
                print_register(&measurement->registers[i]);
        if (measurement->profile)
                print_profile(measurement->profile);
        for (size_t i = 0; i < measurement->n_inputs; i++)
                print_input(&measurement->inputs[i]);
}

static void measure_draw(FILE *stream, const void *tree)
{
        measure_tree_svg(stream, tree);
}

/* svg: the file for a drawing; NULL: text. */
static ExitStatus measure_show_tree(const Cli *cli, const char *svg, const Measurement *measurement)
{
        _cleanup_(measure_tree_done) MeasureTree tree = {};
        const TreeLook look = {
                .width = output_width(stdout),
                .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
                .colour = output_colour(stdout),
        };

        if (measure_tree_make(measurement, &tree) < 0)
                return fail_memory(cli);
        if (svg)
                return output_file_draw(cli, svg, measure_draw, &tree);
        measure_tree_print(stdout, &tree, &look);
        return EXIT_OK;
}

/* document: the measurement as JSON. policy: the guest's, or NULL. */
static ExitStatus measure_show(const Cli *cli, const MeasureFormatOptions *options,
                               const Measurement *measurement, json_object *document,
                               const uint64_t *policy)
{
        switch (options->format) {
        case FORMAT_CORIM:
                return measure_format_corim(cli, options, measurement);
        case FORMAT_ID_BLOCK:
                return measure_id_block(cli, options, measurement, policy);
        case FORMAT_TEXT:
                measure_print(measurement);
                break;
        case FORMAT_TREE:
        case FORMAT_SVG:
                return measure_show_tree(cli, options->svg, measurement);
        case FORMAT_JSON:
        case FORMAT_IGVM: /* only of files, see measure_files() */
                output_json(document);
                break;
        }
        return EXIT_OK;
}

/* The policy that QEMU gives firmware: that of the IGVM file if it has one, else the spec's. */
static uint64_t find_policy(const MeasureRequest *request)
{
        const SpecSecurity *given =
                request->spec ? spec_security_find(request->spec, "policy") : NULL;
        uint64_t policy = given ? given->number : POLICY_DEFAULT;
        Bytes file = request->inputs.igvm.bytes;
        _cleanup_(cvm_error_done) CvmError error = {};
        Igvm igvm;

        if (file.data && igvm_parse(file, "igvm", &igvm, &error) == 0)
                (void)igvm_find_policy(&igvm, IGVM_PLATFORM_SEV_SNP, &policy);
        return policy;
}

/* Headers that the digest does not show, and that not every QEMU takes. */
static void measure_note_not_loadable(Bytes file)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(buffer_done) Buffer list = {};
        _cleanup_json_ json_object *headers = NULL;
        Igvm igvm;

        if (!file.data || igvm_parse(file, "igvm", &igvm, &error) < 0)
                return;
        headers = igvm_not_loadable(&igvm);
        for (size_t i = 0; headers && i < json_object_array_length(headers); i++) {
                json_object *header = json_object_array_get_idx(headers, i);

                if (buffer_appendf(&list, "%s%s (%s)", i ? ", " : "",
                                   json_member_string(header, "type"),
                                   json_member_string(header, "name") ?: "unknown") < 0)
                        return;
        }
        if (list.size)
                fprintf(stderr,
                        "cvmctl: note: the IGVM file has headers that are not measured: %s; QEMU "
                        "10.1 and 10.2 do not load such a file, and a launch asks the QEMU that it "
                        "will use\n",
                        list.data);
}

static ExitStatus measure_files(const Cli *cli, const MeasureOptions *what,
                                const MeasureFormatOptions *options)
{
        _cleanup_(measure_request_done) MeasureRequest request = {};
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *document = NULL;
        uint64_t policy;
        ExitStatus status;

        status = measure_request_load(cli, what, &request);
        if (status.code)
                return status;
        if (measure_run(&request.inputs, &measurement, &error) < 0)
                return fail_error(cli, &error, NULL);
        document = measurement_to_json(measurement, request.platform,
                                       measure_method_name(request.inputs.method));
        if (!document)
                return fail_memory(cli);
        measure_note_not_loadable(request.inputs.igvm.bytes);
        if (options->format == FORMAT_IGVM)
                return measure_id_block_igvm(cli, options, &request.inputs, measurement);
        if (request.inputs.igvm.bytes.data && options->format == FORMAT_ID_BLOCK)
                fputs("cvmctl: note: a launch refuses an ID block given with an IGVM file; "
                      "--format igvm writes the block into the file\n",
                      stderr);
        policy = find_policy(&request);
        return measure_show(cli, options, measurement, document, &policy);
}

/* A CVM was measured when it was launched: only the form of the output can be chosen. */
static ExitStatus measure_check_cvm(const Cli *cli, const MeasureOptions *what,
                                    const MeasureFormatOptions *options)
{
        const char *given = measure_options_given(what);

        if (given)
                return fail_usage(cli,
                                  "--%s cannot be used with a CVM's name, because the CVM was "
                                  "measured at launch",
                                  given);
        if (options->format == FORMAT_IGVM)
                return fail_usage(cli,
                                  "--format igvm requires the file (--igvm), not a CVM's name");
        return EXIT_OK;
}

static ExitStatus measure_cvm(const Cli *cli, const char *name, const MeasureFormatOptions *options)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_json_ json_object *document = NULL;
        const char *member;
        ExitStatus status = reply_measurement(cli, name, &document);
        int r;

        if (status.code)
                return status;
        r = measurement_from_json(document, &measurement, &member);
        if (r == -EBADMSG)
                return fail_local(cli, "the daemon's reply has %s that this cvmctl does not know",
                                  member);
        if (r < 0)
                return fail_memory(cli);
        /* the document says by itself that it has no registers */
        if (measurement->n_registers == 0 && options->format != FORMAT_JSON)
                return measure_request_refuse_unmeasured(cli);
        return measure_show(cli, options, measurement, document, NULL);
}

ExitStatus verb_measure(const Arguments *arguments)
{
        const char *name = arguments_operand(arguments, 0);
        const MeasureOptions what = measure_options(arguments);
        const Cli *cli = &arguments->cli;
        const MeasureFormatOptions options = measure_format_options(arguments);
        ExitStatus status = measure_format_check(cli, &options);

        if (!status.code && name)
                status = measure_check_cvm(cli, &what, &options);
        if (status.code)
                return status;
        return name ? measure_cvm(cli, name, &options) : measure_files(cli, &what, &options);
}
