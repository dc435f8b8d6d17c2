/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_files.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
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
        *files = (VerifyFiles){};
}

/* A file that an option names, or nothing without it. "-" is standard input where that is allowed.
 */
static int verify_files_load_option(const Arguments *arguments, const char *option, size_t max,
                                    bool stdin_too, char **ret, Bytes *ret_bytes)
{
        const char *path = arguments_value(arguments, option);
        size_t size;
        int r;

        if (!path)
                return 0;
        if (stdin_too && strcmp(path, "-") == 0)
                r = fd_read_all(STDIN_FILENO, max, ret, &size);
        else
                r = file_read_at(AT_FDCWD, path, max, ret, &size);
        if (r == -EFBIG)
                return fail_file(arguments, path, 0, "is larger than %zu bytes", max);
        if (r < 0)
                return fail_file_error(arguments, path, r, NULL);
        *ret_bytes = (Bytes){(const uint8_t *)*ret, size};
        return 0;
}

static int load_certificates(const Arguments *arguments, const char *option, bool single,
                             Certificates *certificates)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *data = NULL;
        Bytes bytes = {};
        int r = verify_files_load_option(arguments, option, CERTIFICATES_FILE_MAX, false, &data,
                                         &bytes);

        if (r != 0 || !data)
                return r;
        r = certificates_add(certificates, option, bytes, &error);
        if (r == -ENOMEM)
                return fail_memory(arguments);
        if (r < 0)
                return fail_error(arguments, &error, arguments_value(arguments, option));
        if (single && certificates->n != 1)
                return fail_usage(arguments, "--%s must hold one certificate; this has %zu", option,
                                  certificates->n);
        return 0;
}

/* Whether --expect names a file: a CVM's name has no slash, and none would end like this. */
static bool is_file(const char *expect)
{
        size_t size = strlen(expect);

        return strchr(expect, '/') || (size > 5 && strcmp(expect + size - 5, ".json") == 0);
}

static int load_document(const Arguments *arguments, json_object **ret)
{
        const char *path = arguments_value(arguments, "expect");
        _cleanup_free_ char *data = NULL;
        JsonParseError where;
        Bytes bytes;
        int r = verify_files_load_option(arguments, "expect", EXPECTATION_MAX, false, &data,
                                         &bytes);

        if (r != 0)
                return r;
        r = json_parse(data, bytes.size, ret, &where);
        if (r == -EBADMSG)
                return fail_file(arguments, path, where.line, "not valid JSON (column %u): %s",
                                 where.column, where.reason);
        return r < 0 ? fail_memory(arguments) : 0;
}

static int ask_daemon(const Arguments *arguments, const char *name, json_object **ret)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *document;
        int r = session_call(arguments, MANAGER "Measure",
                             json_build("name", json_new_text(name), NULL), &reply);

        if (r != 0)
                return r;
        document = reply_member(arguments, reply, "measurement", json_type_object);
        if (!document)
                return EXIT_FAILED;
        *ret = json_object_get(document);
        return 0;
}

static int load_expectation(const Arguments *arguments, VerifyFiles *files)
{
        const char *expect = arguments_value(arguments, "expect");
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *document = NULL;
        int r;

        if (!expect)
                return 0;
        r = is_file(expect) ? load_document(arguments, &document)
                            : ask_daemon(arguments, expect, &document);
        if (r != 0)
                return r;
        /* A daemon that is newer than this program may say more than this knows. */
        r = is_file(expect) ? expectation_check_members(document, &error) : 0;
        if (r < 0)
                json_object_put(document);
        else
                r = expectation_parse(document, &files->expectation, &error);
        if (r == -ENOMEM)
                return fail_memory(arguments);
        if (r < 0)
                return fail_error(arguments, &error, expect);
        files->has_expectation = true;
        return 0;
}

static int load_report_data(const Arguments *arguments, VerifyFiles *files, VerifyInputs *inputs)
{
        const char *hex = arguments_value(arguments, "report-data");
        const char *nonce = arguments_value(arguments, "nonce");
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;

        if (hex && nonce)
                return fail_usage(arguments, "--report-data and --nonce are the same thing");
        if (hex && text_unhex(hex, files->report_data, sizeof(files->report_data)) < 0)
                return fail_usage(arguments, "--report-data must be %zu hex digits",
                                  2 * sizeof(files->report_data));
        if (nonce) {
                if (text_unbase64(nonce, &bytes, &size) < 0 || size == 0 ||
                    size > sizeof(files->report_data))
                        return fail_usage(arguments, "--nonce must be base64 of 1 to %zu bytes",
                                          sizeof(files->report_data));
                memcpy(files->report_data, bytes, size);
        }
        if (hex || nonce)
                inputs->report_data = files->report_data;
        return 0;
}

static int load_time(const Arguments *arguments, time_t *ret)
{
        const char *text = arguments_value(arguments, "at"), *end;
        struct tm tm = {};

        *ret = time(NULL);
        if (!text)
                return 0;
        end = strptime(text, "%Y-%m-%d", &tm);
        if (!end || *end)
                return fail_usage(arguments, "--at must be a date as 2026-11-21, not '%s'", text);
        *ret = timegm(&tm);
        return 0;
}

int verify_files_load(const Arguments *arguments, VerifyFiles *files, VerifyInputs *inputs)
{
        int r;

        if (!arguments_value(arguments, "report"))
                return fail_usage(arguments, "--report is needed");
        r = load_report_data(arguments, files, inputs);
        if (r == 0)
                r = load_time(arguments, &inputs->trust.at);
        if (r == 0)
                r = verify_files_load_option(arguments, "report", EVIDENCE_MAX, true,
                                             &files->report, &inputs->report);
        if (r == 0)
                r = verify_files_load_option(arguments, "event-log", EVENT_LOG_MAX, false,
                                             &files->event_log, &inputs->event_log);
        if (r == 0)
                r = load_certificates(arguments, "vcek", true, &files->leaf);
        if (r == 0)
                r = load_certificates(arguments, "cert-chain", false, &files->others);
        if (r == 0)
                r = load_certificates(arguments, "root-ca", true, &files->root);
        if (r == 0)
                r = load_expectation(arguments, files);
        inputs->trust.leaf = files->leaf.n ? files->leaf.items[0] : NULL;
        inputs->trust.others = &files->others;
        inputs->trust.root = files->root.n ? files->root.items[0] : NULL;
        inputs->expectation = files->has_expectation ? &files->expectation : NULL;
        return r;
}
