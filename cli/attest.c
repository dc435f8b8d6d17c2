/* SPDX-License-Identifier: Apache-2.0 */

/* Whether a running CVM is what it should be: asked over its own channel, judged here. */

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include "attest_channel.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output_file.h"
#include "reply.h"
#include "verdict.h"
#include "verify/attestation_verify.h"
#include "verify/tpm_credential.h"
#include "verify_files.h"

#define ATTEST_GUEST_PORT 7002
#define ATTEST_TIMEOUT_SEC 60

typedef struct AttestOptions {
        const char *target;   /* NAME or HOST:PORT */
        const char *evidence; /* a file to write, or NULL */
        unsigned msec;
        VerifyOptions verify;
} AttestOptions;

/* Where the guest's port is reached. */
typedef struct AttestAddress {
        char *host, *port; /* owned */
} AttestAddress;

static void attest_address_done(AttestAddress *address)
{
        free(address->host);
        free(address->port);
}

static AttestOptions attest_options(const Arguments *arguments)
{
        return (AttestOptions){
                .target = arguments_operand(arguments, 0),
                .evidence = arguments_value(arguments, "evidence"),
                .msec = 1000u *
                        (unsigned)arguments_number(arguments, "timeout", ATTEST_TIMEOUT_SEC),
                .verify = {.live = true,
                           .expect = arguments_value(arguments, "expect"),
                           .leaf = arguments_value(arguments, "vcek"),
                           .others = arguments_value(arguments, "cert-chain"),
                           .root = arguments_value(arguments, "root-ca"),
                           .date = arguments_value(arguments, "at")},
        };
}

/* "HOST:PORT", "[::1]:7002". */
static ExitStatus attest_parse_address(const Cli *cli, const char *text, AttestAddress *ret)
{
        const char *colon = strrchr(text, ':');
        size_t size = (size_t)(colon - text);
        uint64_t port;

        if (text_parse_uint(colon + 1, 1, UINT16_MAX, &port) < 0 || size == 0)
                return fail_usage(cli, "invalid address '%s': expected HOST:PORT", text);
        if (size > 2 && text[0] == '[' && text[size - 1] == ']') {
                text++;
                size -= 2;
        }
        ret->host = strndup(text, size);
        ret->port = strdup(colon + 1);
        return ret->host && ret->port ? EXIT_OK : fail_memory(cli);
}

static ExitStatus attest_find_forward(const Cli *cli, const char *name, json_object *cvm,
                                      AttestAddress *ret)
{
        json_object *forwards = reply_member(cli, cvm, "forwards", json_type_array);

        if (!forwards)
                return exit_status(EXIT_FAILED);
        for (size_t i = 0; i < json_object_array_length(forwards); i++) {
                json_object *forward = json_object_array_get_idx(forwards, i);
                const char *address = json_member_string(forward, "address");
                const char *protocol = json_member_string(forward, "protocol");

                if (!address || !protocol || strcmp(protocol, "tcp") != 0 ||
                    json_member_int(forward, "guestPort", 0) != ATTEST_GUEST_PORT)
                        continue;
                ret->host = strdup(address);
                ret->port = text_format("%" PRId64, json_member_int(forward, "hostPort", 0));
                return ret->host && ret->port ? EXIT_OK : fail_memory(cli);
        }
        return fail_local(cli,
                          "no port of this host leads to port %d of CVM '%s'; name its address "
                          "as HOST:PORT",
                          ATTEST_GUEST_PORT, name);
}

/* Of a CVM of the daemon, or as given. */
static ExitStatus attest_find_address(const Cli *cli, const char *target, AttestAddress *ret)
{
        _cleanup_json_ json_object *cvm = NULL;
        SessionTarget *found = NULL;
        ExitStatus status;

        if (strchr(target, ':'))
                return attest_parse_address(cli, target, ret);
        status = session_resolve(cli, &target, 1, true, &found);
        if (status.code)
                return status;
        status = reply_cvm(cli, found, false, &cvm);
        session_targets_free(found, 1);
        return status.code ? status : attest_find_forward(cli, target, cvm, ret);
}

static ExitStatus attest_fail_channel(const Cli *cli, const AttestOptions *options, int r,
                                      const char *reason)
{
        _cleanup_free_ char *safe = reason ? text_escape_control(reason) : NULL;
        ExitStatus status;

        if (r == -ENOMEM)
                return fail_memory(cli);
        status = fail_local(cli, "cannot attest '%s': %s", options->target, safe ?: "unknown");
        return r == -ETIMEDOUT ? exit_status(EXIT_TRY_AGAIN)
               : r == -EBADMSG ? exit_status(EXIT_DATA)
                               : status;
}

static ExitStatus attest_ask_evidence(const Cli *cli, const AttestOptions *options,
                                      AttestChannel *channel, json_object **ret)
{
        const AttestSession *session = attest_channel_session(channel);
        _cleanup_free_ char *random = text_base64(session->random, sizeof(session->random));
        _cleanup_json_ json_object *answer = NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        if (!random)
                return fail_memory(cli);
        r = attest_channel_call(channel,
                                json_build("method", json_object_new_string("evidence"), "random",
                                           json_object_new_string(random), NULL),
                                &answer, &reason);
        if (r < 0)
                return attest_fail_channel(cli, options, r, reason);
        *ret = json_object_get(json_member(answer, "evidence"));
        return EXIT_OK;
}

static json_object *attest_request_activation(const TpmCredential *credential)
{
        _cleanup_free_ char *blob = text_base64(credential->blob, credential->blob_size);
        _cleanup_free_ char *secret = text_base64(credential->secret, credential->secret_size);

        if (!blob || !secret)
                return NULL;
        return json_build("method", json_object_new_string("activate"), "credential",
                          json_object_new_string(blob), "secret", json_object_new_string(secret),
                          NULL);
}

/* Whether the TPM opens a credential made for its EK and AK. Another answer is none. */
static int attest_challenge(AttestChannel *channel, const TpmPublic *ek, const TpmName *ak,
                            TpmBinding *ret, char **ret_reason)
{
        _cleanup_json_ json_object *answer = NULL, *request = NULL;
        _cleanup_free_ uint8_t *opened = NULL;
        uint8_t secret[TPM_SECRET_MAX];
        TpmCredential credential;
        const char *text;
        size_t size = 0;
        int r;

        if (RAND_priv_bytes(secret, sizeof(secret)) != 1)
                return -EIO;
        r = tpm_credential_make(ek, ak, (Bytes){secret, sizeof(secret)}, &credential);
        if (r < 0)
                return r;
        request = attest_request_activation(&credential);
        if (!request)
                return -ENOMEM;
        *ret = TPM_BINDING_REFUSED;
        r = attest_channel_call(channel, TAKE_PTR(request), &answer, ret_reason);
        if (r < 0)
                return r == -EREMOTEIO ? 0 : r;
        text = json_member_string(answer, "credential");
        r = text ? text_unbase64(text, &opened, &size) : -EBADMSG;
        if (r == -ENOMEM)
                return r;
        if (r == 0 && size == sizeof(secret) && CRYPTO_memcmp(opened, secret, size) == 0)
                *ret = TPM_BINDING_CHALLENGE;
        return 0;
}

static ExitStatus attest_bind_keys(const Cli *cli, const AttestOptions *options,
                                   AttestChannel *channel, const Attestation *attestation,
                                   TpmBinding *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *reason = NULL;
        TpmPublic ek, ak;
        TpmName name;
        int r;

        *ret = TPM_BINDING_NONE;
        if (!attestation->has_tpm)
                return EXIT_OK;
        r = tpm_public_parse(attestation->ek, "ek", &ek, &error);
        if (r == 0)
                r = tpm_public_parse(attestation->ak, "ak", &ak, &error);
        if (r < 0)
                return cvm_error_is_set(&error) ? fail_error(cli, &error, NULL) : fail_memory(cli);
        if (tpm_public_refuse_ek(&ek)) /* the verdict says why */
                return EXIT_OK;
        r = tpm_public_name(&ak, &name);
        if (r == 0)
                r = attest_challenge(channel, &ek, &name, ret, &reason);
        if (r == -EINVAL) /* not the numbers of a key */
                *ret = TPM_BINDING_REFUSED;
        return r < 0 && r != -EINVAL ? attest_fail_channel(cli, options, r, reason) : EXIT_OK;
}

static ExitStatus attest_write_evidence(const Cli *cli, const AttestOptions *options,
                                        json_object *evidence, const AttestSession *session,
                                        TpmBinding binding)
{
        _cleanup_json_ json_object *file = NULL;
        char date[ATTESTATION_DATE_MAX];
        time_t now = time(NULL);
        struct tm tm;
        size_t size;

        if (!options->evidence)
                return EXIT_OK;
        if (!gmtime_r(&now, &tm) || strftime(date, sizeof(date), "%FT%TZ", &tm) == 0)
                return fail_local(cli, "the clock shows no date");
        file = attestation_file(evidence, session, binding == TPM_BINDING_CHALLENGE ? date : NULL);
        if (!file || !json_text(file))
                return fail_memory(cli);
        size = strlen(json_text(file));
        return output_file_write(cli, options->evidence, json_text(file), size, 0);
}

static ExitStatus attest_judge(const Cli *cli, const Attestation *attestation, TpmBinding binding,
                               const VerifyInputs *inputs)
{
        const AttestationInputs judged = {
                .attestation = attestation,
                .expectation = inputs->expectation,
                .binding = binding,
                .trust = inputs->trust,
        };
        _cleanup_(verification_done) Verification verification = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = attestation_verify(&judged, &verification, &error);

        if (r < 0)
                return cvm_error_is_set(&error) ? fail_error(cli, &error, NULL) : fail_memory(cli);
        return verdict_print(cli, &verification);
}

static ExitStatus attest_over(const Cli *cli, const AttestOptions *options, AttestChannel *channel,
                              const VerifyInputs *inputs)
{
        const AttestSession *session = attest_channel_session(channel);
        _cleanup_(attestation_done) Attestation attestation = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *evidence = NULL;
        TpmBinding binding;
        ExitStatus status = attest_ask_evidence(cli, options, channel, &evidence);
        int r;

        if (status.code)
                return status;
        r = attestation_parse(evidence, session, &attestation, &error);
        if (r < 0)
                return cvm_error_is_set(&error) ? fail_error(cli, &error, NULL) : fail_memory(cli);
        status = attest_bind_keys(cli, options, channel, &attestation, &binding);
        if (!status.code)
                status = attest_write_evidence(cli, options, evidence, session, binding);
        return status.code ? status : attest_judge(cli, &attestation, binding, inputs);
}

ExitStatus verb_attest(const Arguments *arguments)
{
        _cleanup_(attest_channel_closep) AttestChannel *channel = NULL;
        _cleanup_(attest_address_done) AttestAddress address = {};
        _cleanup_(verify_files_done) VerifyFiles files = {};
        const AttestOptions options = attest_options(arguments);
        const Cli *cli = &arguments->cli;
        _cleanup_free_ char *reason = NULL;
        VerifyInputs inputs = {};
        ExitStatus status;
        int r;

        if (!options.verify.expect)
                return fail_usage(cli, "--expect is required");
        status = verify_files_load(cli, &options.verify, &files, &inputs);
        if (!status.code)
                status = attest_find_address(cli, options.target, &address);
        if (status.code)
                return status;
        r = attest_channel_open(address.host, address.port, options.msec, &channel, &reason);
        if (r < 0)
                return attest_fail_channel(cli, &options, r, reason);
        return attest_over(cli, &options, channel, &inputs);
}
