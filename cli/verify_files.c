/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_files.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "moment.h"
#include "reply.h"
#include "session.h"
#include "verify/expectation_members.h"

#define EXPECTATION_MAX (4u << 20)

void verify_files_done(VerifyFiles *files)
{
        free(files->report);
        free(files->event_log);
        certificates_done(&files->leaf);
        certificates_done(&files->others);
        certificates_done(&files->root);
        expectation_done(&files->expectation);
        attestation_done(&files->attestation);
        *files = (VerifyFiles){};
}

VerifyOptions verify_options(const Arguments *arguments)
{
        return (VerifyOptions){
                .report = arguments_value(arguments, "report"),
                .event_log = arguments_value(arguments, "event-log"),
                .evidence = arguments_value(arguments, "evidence"),
                .expect = arguments_value(arguments, "expect"),
                .leaf = arguments_value(arguments, "vcek"),
                .others = arguments_value(arguments, "cert-chain"),
                .root = arguments_value(arguments, "root-ca"),
                .report_data = arguments_value(arguments, "report-data"),
                .nonce = arguments_value(arguments, "nonce"),
                .date = arguments_value(arguments, "at"),
        };
}

/* A file, or nothing if path is NULL. "-" is standard input where that is allowed. */
static ExitStatus verify_files_load_option(const Cli *cli, const char *path, size_t max,
                                           bool stdin_too, char **ret, Bytes *ret_bytes)
{
        size_t size;
        int r;

        if (!path)
                return EXIT_OK;
        if (stdin_too && strcmp(path, "-") == 0)
                r = fd_read_all(STDIN_FILENO, max, ret, &size);
        else
                r = file_read_at(AT_FDCWD, path, max, ret, &size);
        if (r == -EFBIG)
                return fail_file(cli, path, 0, "is larger than %zu bytes", max);
        if (r < 0)
                return fail_file_error(cli, path, r, NULL);
        *ret_bytes = (Bytes){(const uint8_t *)*ret, size};
        return EXIT_OK;
}

static ExitStatus load_certificates(const Cli *cli, const char *option, const char *path,
                                    bool single, Certificates *certificates)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *data = NULL;
        Bytes bytes = {};
        ExitStatus status =
                verify_files_load_option(cli, path, CERTIFICATES_FILE_MAX, false, &data, &bytes);
        int r;

        if (status.code || !data)
                return status;
        r = certificates_add(certificates, option, bytes, &error);
        if (r == -ENOMEM)
                return fail_memory(cli);
        if (r < 0)
                return fail_error(cli, &error, path);
        if (single && certificates->n != 1)
                return fail_usage(cli, "--%s must contain one certificate, but this file has %zu",
                                  option, certificates->n);
        return EXIT_OK;
}

static ExitStatus load_attestation(const Cli *cli, const char *path, VerifyFiles *files)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *data = NULL;
        Bytes bytes = {};
        ExitStatus status =
                verify_files_load_option(cli, path, ATTESTATION_FILE_MAX, true, &data, &bytes);
        int r;

        if (status.code || !data)
                return status;
        r = attestation_parse_file(bytes, &files->attestation, &error);
        if (r < 0)
                return cvm_error_is_set(&error) ? fail_error(cli, &error, path) : fail_memory(cli);
        files->has_attestation = true;
        return EXIT_OK;
}

/* A file of attest has what these options give for a report alone. */
static ExitStatus verify_files_check_options(const Cli *cli, const VerifyOptions *options)
{
        if (options->live)
                return EXIT_OK;
        if (options->report && options->evidence)
                return fail_usage(cli, "--report and --evidence exclude each other");
        if (!options->report && !options->evidence)
                return fail_usage(cli, "--report or --evidence is required");
        if (options->evidence && (options->event_log || options->report_data || options->nonce))
                return fail_usage(cli, "--evidence excludes --%s: the file has its own",
                                  options->event_log     ? "event-log"
                                  : options->report_data ? "report-data"
                                                         : "nonce");
        return EXIT_OK;
}

/* Whether --expect names a file: a CVM's name has no slash, and none would end like this. */
static bool is_file(const char *expect)
{
        size_t size = strlen(expect);

        return strchr(expect, '/') || (size > 5 && strcmp(expect + size - 5, ".json") == 0);
}

static ExitStatus load_document(const Cli *cli, const char *path, json_object **ret)
{
        _cleanup_free_ char *data = NULL;
        JsonParseError where;
        Bytes bytes;
        ExitStatus status =
                verify_files_load_option(cli, path, EXPECTATION_MAX, false, &data, &bytes);
        int r;

        if (status.code)
                return status;
        r = json_parse(data, bytes.size, ret, &where);
        if (r == -EBADMSG)
                return fail_json(cli, path, &where, "");
        return r < 0 ? fail_memory(cli) : EXIT_OK;
}

static ExitStatus load_expectation(const Cli *cli, const char *expect, VerifyFiles *files)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *document = NULL;
        ExitStatus status;
        int r;

        if (!expect)
                return EXIT_OK;
        status = is_file(expect) ? load_document(cli, expect, &document)
                                 : reply_measurement(cli, expect, &document);
        if (status.code)
                return status;
        /* A daemon that is newer than this program may say more than this knows. */
        r = is_file(expect) ? expectation_check_members(document, &error) : 0;
        if (r < 0)
                json_object_put(document);
        else
                r = expectation_parse(document, &files->expectation, &error);
        if (r == -ENOMEM)
                return fail_memory(cli);
        if (r < 0)
                return fail_error(cli, &error, expect);
        files->has_expectation = true;
        return EXIT_OK;
}

static ExitStatus load_report_data(const Cli *cli, const VerifyOptions *options, VerifyFiles *files,
                                   VerifyInputs *inputs)
{
        const char *hex = options->report_data, *nonce = options->nonce;
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;

        if (hex && nonce)
                return fail_usage(cli, "--report-data and --nonce exclude each other");
        if (hex && text_unhex(hex, files->report_data, sizeof(files->report_data)) < 0)
                return fail_usage(cli, "--report-data must be %zu hex digits",
                                  2 * sizeof(files->report_data));
        if (nonce) {
                if (text_unbase64(nonce, &bytes, &size) < 0 || size == 0 ||
                    size > sizeof(files->report_data))
                        return fail_usage(cli, "--nonce must be base64 of 1 to %zu bytes",
                                          sizeof(files->report_data));
                memcpy(files->report_data, bytes, size);
        }
        if (hex || nonce)
                inputs->report_data = files->report_data;
        return EXIT_OK;
}

static ExitStatus load_time(const Cli *cli, const char *text, time_t *ret)
{
        const char *end;
        struct tm tm = {};

        *ret = time(NULL);
        if (!text)
                return EXIT_OK;
        end = strptime(text, "%Y-%m-%d", &tm);
        if (!end || *end || !moment_is_day(&tm))
                return fail_usage(cli, "invalid --at '%s': expected a date such as 2026-11-21",
                                  text);
        *ret = timegm(&tm);
        return EXIT_OK;
}

ExitStatus verify_files_load(const Cli *cli, const VerifyOptions *options, VerifyFiles *files,
                             VerifyInputs *inputs)
{
        ExitStatus status = verify_files_check_options(cli, options);

        if (!status.code)
                status = load_report_data(cli, options, files, inputs);
        if (!status.code)
                status = load_time(cli, options->date, &inputs->trust.at);
        if (!status.code)
                status = verify_files_load_option(cli, options->report, EVIDENCE_MAX, true,
                                                  &files->report, &inputs->report);
        if (!status.code)
                status = verify_files_load_option(cli, options->event_log, EVENT_LOG_MAX, false,
                                                  &files->event_log, &inputs->event_log);
        if (!status.code)
                status = load_attestation(cli, options->evidence, files);
        if (!status.code)
                status = load_certificates(cli, "vcek", options->leaf, true, &files->leaf);
        if (!status.code)
                status = load_certificates(cli, "cert-chain", options->others, false,
                                           &files->others);
        if (!status.code)
                status = load_certificates(cli, "root-ca", options->root, true, &files->root);
        if (!status.code)
                status = load_expectation(cli, options->expect, files);
        inputs->trust.leaf = files->leaf.n ? files->leaf.items[0] : NULL;
        inputs->trust.others = &files->others;
        inputs->trust.root = files->root.n ? files->root.items[0] : NULL;
        inputs->expectation = files->has_expectation ? &files->expectation : NULL;
        return status;
}
