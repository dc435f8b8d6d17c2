/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "given.h"

#define PCRS 24 /* of a PC's TPM */

static json_object *answer_shares(const Shares *shares)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < shares->n_shares; i++) {
                const Share *share = shares->shares + i;
                const char *error = share->error ? strerror(share->error) : NULL;

                json_object_array_add(
                        array, json_build("tag", json_object_new_string(share->tag), "path",
                                          json_object_new_string(share->path), "mounted",
                                          json_object_new_boolean(!error), "error",
                                          error ? json_object_new_string(error) : NULL, NULL));
        }
        return array;
}

static json_object *answer_cmdline(const char *path)
{
        _cleanup_free_ char *cmdline = NULL;

        if (file_read_at(AT_FDCWD, path, 1 << 20, &cmdline, NULL) < 0)
                return NULL;
        cmdline[strcspn(cmdline, "\n")] = 0;
        return json_new_text(cmdline);
}

/* One bank of tpm0: {"0": hex, …}; NULL where the TPM has no such bank. */
static json_object *answer_bank(int tpms, const char *bank)
{
        json_object *object = NULL;

        for (int i = 0; i < PCRS; i++) {
                _cleanup_free_ char *value = NULL;
                char path[48], index[8];

                snprintf(path, sizeof(path), "tpm0/pcr-%s/%d", bank, i);
                if (file_read_at(tpms, path, 256, &value, NULL) < 0)
                        continue;
                value[strcspn(value, "\n")] = 0;
                for (char *c = value; *c; c++)
                        if (*c >= 'A' && *c <= 'F')
                                *c += 'a' - 'A';
                if (!object)
                        object = json_object_new_object();
                snprintf(index, sizeof(index), "%d", i);
                json_object_object_add(object, index, json_new_text(value));
        }
        return object;
}

static json_object *answer_pcrs(const char *path)
{
        static const char *const banks[] = {"sha1", "sha256", "sha384", "sha512"};
        _cleanup_close_ int tpms = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        json_object *object = NULL;

        if (tpms < 0)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(banks); i++) {
                json_object *bank = answer_bank(tpms, banks[i]);

                if (!bank)
                        continue;
                if (!object)
                        object = json_object_new_object();
                json_object_object_add(object, banks[i], bank);
        }
        return object;
}

static json_object *answer_report(const char *root, const Request *request)
{
        _cleanup_(report_done) Report report = {};
        _cleanup_free_ char *outblob = NULL;
        int r;

        if (!request->has_nonce)
                return NULL;
        r = report_get(root, request->nonce, &report);
        if (r < 0)
                return json_build("error",
                                  json_object_new_string(r == -ENOENT
                                                                 ? "this machine makes no reports"
                                                                 : strerror(-r)),
                                  NULL);
        outblob = text_base64(report.outblob, report.size);
        return json_build("provider", json_new_text(report.provider), "outblob",
                          outblob ? json_object_new_string(outblob) : NULL, NULL);
}

/* `key` is NULL for who has not shown to have it. */
static json_object *answer_build(const AnswerSources *sources, const Request *request,
                                 const uint8_t *key)
{
        const Environment *environment = sources->environment;
        struct utsname uts = {};
        struct sysinfo system = {};
        struct timespec up = {};

        uname(&uts);
        sysinfo(&system);
        clock_gettime(CLOCK_BOOTTIME, &up);
        return json_build(
                "agent", json_build("version", json_object_new_string(CVMD_VERSION), NULL),
                "environmentCount", json_object_new_int64((int64_t)environment->n_variables),
                "environmentDropped", json_object_new_int64((int64_t)environment->n_dropped),
                "environmentProblem",
                sources->problem ? json_object_new_string(sources->problem) : NULL, "environment",
                key ? given_environment(environment, request, key) : NULL, "certsCount",
                json_object_new_int64((int64_t)given_count_certs(sources->certs)), "certs",
                key ? given_certs(sources->certs, request, key) : NULL, "shares",
                answer_shares(sources->shares), "cmdline", answer_cmdline(sources->cmdline),
                "kernel", json_object_new_string(uts.release), "cpus",
                json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)), "memory",
                json_object_new_int64((int64_t)system.totalram * system.mem_unit), "uptimeMs",
                json_object_new_int64(up.tv_sec * INT64_C(1000) + up.tv_nsec / 1000000), "pcrs",
                answer_pcrs(sources->tpms), "report", answer_report(sources->reports, request),
                "attest", sources->attests ? json_object_new_int(1) : NULL, NULL);
}

static int append_json(json_object *object, Buffer *out)
{
        const char *text = object ? json_text(object) : NULL;
        size_t size = out->size;

        if (!text || buffer_append_text(out, text) < 0 || buffer_append(out, "\n", 1) < 0) {
                out->size = size;
                return -ENOMEM;
        }
        return 0;
}

int answer_error(const char *reason, Buffer *out)
{
        _cleanup_json_ json_object *object =
                json_build("error", json_new_text(reason ?: "out of memory"), NULL);

        return append_json(object, out);
}

int answer_line(const AnswerSources *sources, const char *line, size_t size, Buffer *out)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *reason = NULL;
        uint8_t key[MAC_KEY_SIZE];
        const char *problem;
        Request request;

        if (request_parse(line, size, &request, &reason) < 0)
                return answer_error(reason, out);
        problem = request.has_proof ? given_check(sources->environment, &request, key) : NULL;
        if (problem)
                return answer_error(problem, out);
        object = answer_build(sources, &request, request.has_proof ? key : NULL);
        explicit_bzero(key, sizeof(key));
        return append_json(object, out);
}
