/* SPDX-License-Identifier: Apache-2.0 */
#include "measure_id_block.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "measure/igvm_id_block.h"
#include "measure_format.h"
#include "output.h"
#include "output_file.h"
#include "spec/spec.h"

/* An ID block, signed. */
typedef struct Signed {
        IdBlock block;
        SigningKey *id, *author; /* author NULL: there is none */
        uint8_t encoded[ID_BLOCK_SIZE], auth[ID_AUTH_SIZE];
} Signed;

static void signed_done(Signed *is_signed)
{
        signing_key_free(is_signed->id);
        signing_key_free(is_signed->author);
}

static ExitStatus read_id(const Cli *cli, const char *option, const char *text,
                          uint8_t ret[static 16])
{
        if (text && text_unhex(text, ret, 16) < 0)
                return fail_usage(cli, "--%s must be 16 bytes as 32 hex digits, not '%s'", option,
                                  text);
        return EXIT_OK;
}

/* text: of --policy, or NULL. policy: the guest's, or NULL. */
static ExitStatus read_policy(const Cli *cli, const char *text, const uint64_t *policy,
                              uint64_t *ret)
{
        if (text && spec_security_parse_number(text, ret) < 0)
                return fail_usage(cli, "invalid --policy '%s': expected a number such as 0x30000",
                                  text);
        if (!text && !policy)
                return fail_usage(cli, "--policy is required, because the daemon does not report "
                                       "the policy of a CVM");
        if (!text)
                *ret = *policy;
        if (!(*ret & ID_POLICY_MUST_SET))
                return fail_usage(
                        cli, "bit 17 of the policy (0x20000) must be set; it is 0x%" PRIx64, *ret);
        return EXIT_OK;
}

static const Register *find_launch_digest(const Measurement *measurement, const char *name)
{
        return measurement_find(measurement, name, HASH_SHA384);
}

/* The one digest that the block can have. */
static ExitStatus choose_digest(const Cli *cli, const char *name, const Measurement *measurement,
                                HashDigest *ret)
{
        const Register *reg = find_launch_digest(measurement, name ?: "LaunchDigest");

        if (!reg && !name)
                return fail_usage(cli, "only SEV-SNP has ID blocks");
        if (!reg)
                return fail_usage(cli, "this measurement has no %s", name);
        if (!name && find_launch_digest(measurement, "LaunchDigestAllVcpus"))
                return fail_usage(
                        cli, "the launch digest depends on the host, but an ID block has only one: "
                             "choose with --digest LaunchDigest or --digest LaunchDigestAllVcpus");
        if (reg->state != MEASUREMENT_VALUE)
                return fail_usage(cli, "there is no launch digest: %s", reg->reason);
        *ret = reg->value;
        return EXIT_OK;
}

static json_object *base64_json(const void *data, size_t size)
{
        _cleanup_free_ char *text = text_base64(data, size);

        return text ? json_object_new_string(text) : NULL;
}

/* What a report shows of a key: ID_KEY_DIGEST, AUTHOR_KEY_DIGEST. NULL: there is no key. */
static int digest_of_key(const SigningKey *key, char **ret)
{
        uint8_t encoded[ID_KEY_SIZE];
        HashDigest digest;
        int r;

        if (!key)
                return 0;
        r = id_block_encode_signing_key(key, encoded);
        if (r == 0)
                r = id_block_key_digest(encoded, &digest);
        if (r < 0)
                return r;
        *ret = hash_hex(&digest);
        return *ret ? 0 : -ENOMEM;
}

/* policy: the guest's, or NULL. */
static ExitStatus sign(const Cli *cli, const MeasureFormatOptions *options,
                       const Measurement *measurement, const uint64_t *policy, Signed *ret)
{
        IdBlock *block = &ret->block;
        ExitStatus status = choose_digest(cli, options->digest, measurement, &block->launch_digest);
        int r;

        block->guest_svn = options->svn >= 0 ? (uint32_t)options->svn : 0;
        if (!status.code)
                status = read_id(cli, "family-id", options->family_id, block->family_id);
        if (!status.code)
                status = read_id(cli, "image-id", options->image_id, block->image_id);
        if (!status.code)
                status = read_policy(cli, options->policy, policy, &block->policy);
        if (!status.code)
                status = measure_format_load_key(cli, options->id_key, KEY_P384, &ret->id);
        if (!status.code)
                status = measure_format_load_key(cli, options->author_key, KEY_P384, &ret->author);
        if (status.code)
                return status;
        id_block_encode(block, ret->encoded);
        r = id_block_encode_auth(ret->encoded, ret->id, ret->author, ret->auth);
        return r < 0 ? fail_local(cli, "cannot sign the ID block: %s", strerror(-r)) : EXIT_OK;
}

/* What a verifier must know about it; the caller gives the first member. */
static ExitStatus print_signed(const Cli *cli, FILE *stream, const Signed *is_signed,
                               const char *member, json_object *value)
{
        _cleanup_free_ char *launch = hash_hex(&is_signed->block.launch_digest), *id = NULL;
        _cleanup_free_ char *author = NULL;
        _cleanup_json_ json_object *object = NULL;
        int r = digest_of_key(is_signed->id, &id);

        if (r == 0)
                r = digest_of_key(is_signed->author, &author);
        if (r < 0 || !launch) {
                json_object_put(value);
                return fail_local(cli, "cannot sign the ID block: %s",
                                  strerror(r < 0 ? -r : ENOMEM));
        }
        object = json_build(member, value, "launchDigest", json_object_new_string(launch),
                            "idKeyDigest", json_object_new_string(id), "authorKeyDigest",
                            author ? json_object_new_string(author) : NULL, NULL);
        output_json_to(stream, object);
        return EXIT_OK;
}

ExitStatus measure_id_block(const Cli *cli, const MeasureFormatOptions *options,
                            const Measurement *measurement, const uint64_t *policy)
{
        _cleanup_(signed_done) Signed is_signed = {};
        char text[24];
        ExitStatus status = sign(cli, options, measurement, policy, &is_signed);

        if (status.code)
                return status;
        snprintf(text, sizeof(text), "0x%" PRIx64, is_signed.block.policy);
        return print_signed(
                cli, stdout, &is_signed, "launchSecurity",
                json_build("policy", json_object_new_string(text), "idBlock",
                           base64_json(is_signed.encoded, sizeof(is_signed.encoded)), "idAuth",
                           base64_json(is_signed.auth, sizeof(is_signed.auth)), "authorKeyEnabled",
                           is_signed.author ? json_object_new_string("true") : NULL, NULL));
}

/* QEMU writes the policy of the file into the block, whatever was signed. */
static ExitStatus check_policy(const Cli *cli, const char *text, const Igvm *igvm, uint64_t *ret)
{
        uint64_t given;

        if (igvm_find_policy(igvm, IGVM_PLATFORM_SEV_SNP, ret) < 0)
                return fail_usage(cli,
                                  "the IGVM file has no GUEST_POLICY for SEV-SNP, which QEMU takes "
                                  "for policy 0: build the file with a policy");
        if (text && spec_security_parse_number(text, &given) == 0 && given != *ret)
                return fail_usage(
                        cli,
                        "--policy is 0x%" PRIx64 ", but the IGVM file's policy is 0x%" PRIx64
                        ", which QEMU uses: omit the option, or build the file with another policy",
                        given, *ret);
        return EXIT_OK;
}

/* What was signed must be what the new file measures. */
static ExitStatus check_signed(const Cli *cli, const MeasureInputs *inputs, Bytes file)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        MeasureInputs changed = *inputs;
        HashDigest other;
        Igvm igvm;
        int r;

        changed.igvm.bytes = file;
        if (measure_run(&changed, &measurement, &error) < 0 ||
            igvm_parse(file, "igvm", &igvm, &error) < 0)
                return fail_error(cli, &error, NULL);
        r = igvm_id_block_differs(&igvm, "igvm", measurement, &other, &error);
        if (r < 0)
                return fail_error(cli, &error, NULL);
        return r == 0 ? EXIT_OK
                      : fail_local(cli, "the IGVM file's pages are where its headers would grow, "
                                        "so its measurement would differ from what was signed");
}

ExitStatus measure_id_block_igvm(const Cli *cli, const MeasureFormatOptions *options,
                                 const MeasureInputs *inputs, const Measurement *measurement)
{
        _cleanup_(signed_done) Signed is_signed = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ uint8_t *data = NULL;
        uint64_t policy;
        size_t size;
        Igvm igvm;
        ExitStatus status;

        if (inputs->method != MEASURE_SEV_SNP_IGVM || !inputs->igvm.bytes.data)
                return fail_usage(cli, "--format igvm requires an IGVM file for SEV-SNP (--igvm)");
        if (output_file_is_stdout(options->output) && output_is_terminal(stdout))
                return fail_usage(cli, "an IGVM file is binary: redirect it to a file or a pipe");
        if (igvm_parse(inputs->igvm.bytes, "igvm", &igvm, &error) < 0)
                return fail_error(cli, &error, NULL);
        status = check_policy(cli, options->policy, &igvm, &policy);
        if (!status.code)
                status = sign(cli, options, measurement, &policy, &is_signed);
        if (status.code)
                return status;
        if (igvm_sign(&igvm, "igvm", &is_signed.block, is_signed.auth, is_signed.author, &data,
                      &size, &error) < 0)
                return fail_error(cli, &error, NULL);
        status = check_signed(cli, inputs, (Bytes){data, size});
        if (!status.code)
                status = output_file_write(cli, options->output, data, size, 0);
        if (status.code)
                return status;
        return print_signed(cli, output_file_is_stdout(options->output) ? stderr : stdout,
                            &is_signed, "output", json_new_text(options->output));
}
