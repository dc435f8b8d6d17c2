/* SPDX-License-Identifier: Apache-2.0 */
#include "measure_format.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "measure/corim.h"
#include "measure/id_block.h"
#include "output.h"
#include "spec/spec.h"

int measure_key_load(const Arguments *arguments, const char *option, unsigned curves,
                     SigningKey **ret)
{
        const char *path = arguments_value(arguments, option), *reason;
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        *ret = NULL;
        if (!path)
                return 0;
        r = file_read_at(AT_FDCWD, path, KEY_FILE_MAX, &data, &size);
        if (r < 0)
                return fail_file(arguments, path, 0, "cannot read the key: %s", strerror(-r));
        r = signing_key_parse((Bytes){(const uint8_t *)data, size}, curves, ret, &reason);
        explicit_bzero(data, size);
        if (r == -EINVAL)
                return fail_file(arguments, path, 0, "%s", reason);
        return r < 0 ? fail_memory(arguments) : 0;
}

int measure_format_check(const Arguments *arguments)
{
        static const struct {
                const char *option, *format;
        } belongs[] = {
                {"key", "corim"},           {"signer", "corim"},
                {"id-key", "snp-id-block"}, {"author-key", "snp-id-block"},
                {"svn", "snp-id-block"},    {"family-id", "snp-id-block"},
                {"policy", "snp-id-block"}, {"image-id", "snp-id-block"},
                {"digest", "snp-id-block"},
        };
        const char *format = arguments_value(arguments, "format") ?: "json";

        for (size_t i = 0; i < ARRAY_SIZE(belongs); i++)
                if (arguments_has(arguments, belongs[i].option) &&
                    strcmp(belongs[i].format, format) != 0)
                        return fail_usage(arguments, "--%s is for --format %s", belongs[i].option,
                                          belongs[i].format);
        if (strcmp(format, "corim") == 0 && arguments->json)
                return fail_usage(arguments, "--json and --format corim exclude each other");
        if (arguments_has(arguments, "signer") && !arguments_has(arguments, "key"))
                return fail_usage(arguments, "--signer needs --key");
        if (strcmp(format, "snp-id-block") == 0 && !arguments_has(arguments, "id-key"))
                return fail_usage(arguments, "--format snp-id-block needs --id-key");
        return 0;
}

static void note_left_out(const Measurement *measurement)
{
        for (size_t i = 0; i < measurement->n_registers; i++) {
                const Register *reg = &measurement->registers[i];

                if (reg->state != MEASUREMENT_VALUE)
                        fprintf(stderr, "cvmctl: note: without %s (%s): %s\n", reg->name,
                                hash_name(reg->value.algorithm), reg->reason ?: "no value");
        }
}

int measure_corim(const Arguments *arguments, const Measurement *measurement)
{
        _cleanup_free_ uint8_t *corim = NULL, *is_signed = NULL;
        _cleanup_(signing_key_freep) SigningKey *key = NULL;
        const char *signer = arguments_value(arguments, "signer");
        size_t size, signed_size;
        int r;

        if (output_is_terminal(stdout))
                return fail_usage(arguments, "CoRIM is binary: send it to a file or a pipe");
        if (signer && !text_is_utf8(signer, strlen(signer)))
                return fail_usage(arguments, "--signer must be valid UTF-8");
        r = measure_key_load(arguments, "key", KEY_P256 | KEY_P384, &key);
        if (r != 0)
                return r;
        note_left_out(measurement);
        r = corim_encode(measurement, &corim, &size);
        if (r == -ENODATA)
                return fail_local(arguments, "no register has a value: there is nothing to state");
        if (r == 0 && key)
                r = corim_sign(corim, size, key, signer, &is_signed, &signed_size);
        if (r < 0)
                return fail_local(arguments, "cannot make the CoRIM: %s", strerror(-r));
        if (key)
                fwrite(is_signed, 1, signed_size, stdout);
        else
                fwrite(corim, 1, size, stdout);
        return CLI_DONE;
}

static int read_id(const Arguments *arguments, const char *option, uint8_t ret[static 16])
{
        const char *text = arguments_value(arguments, option);

        if (text && text_unhex(text, ret, 16) < 0)
                return fail_usage(arguments, "--%s must be 16 bytes as 32 hex digits, not '%s'",
                                  option, text);
        return 0;
}

static int read_policy(const Arguments *arguments, const uint64_t *policy, uint64_t *ret)
{
        const char *text = arguments_value(arguments, "policy");

        if (text && spec_security_parse_number(text, ret) < 0)
                return fail_usage(arguments, "--policy must be a number as 0x30000, not '%s'",
                                  text);
        if (!text && !policy)
                return fail_usage(arguments,
                                  "--policy is needed: the daemon does not tell that of a CVM");
        if (!text)
                *ret = *policy;
        if (!(*ret & ID_POLICY_MUST_SET))
                return fail_usage(arguments,
                                  "bit 17 of the policy (0x20000) must be set; it is 0x%" PRIx64,
                                  *ret);
        return 0;
}

static const Register *find_launch_digest(const Measurement *measurement, const char *name)
{
        return measurement_find(measurement, name, HASH_SHA384);
}

/* The one digest that the block can have. */
static int choose_digest(const Arguments *arguments, const Measurement *measurement,
                         HashDigest *ret)
{
        const char *name = arguments_value(arguments, "digest");
        const Register *reg = find_launch_digest(measurement, name ?: "LaunchDigest");

        if (!reg && !name)
                return fail_usage(arguments, "an ID block is of SEV-SNP only");
        if (!reg)
                return fail_usage(arguments, "there is no %s here", name);
        if (!name && find_launch_digest(measurement, "LaunchDigestAllVcpus"))
                return fail_usage(arguments,
                                  "the launch digest depends on the host, and an ID block has one: "
                                  "choose by --digest LaunchDigest or LaunchDigestAllVcpus");
        if (reg->state != MEASUREMENT_VALUE)
                return fail_usage(arguments, "there is no launch digest: %s", reg->reason);
        *ret = reg->value;
        return 0;
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
        r = id_key_encode_signing(key, encoded);
        if (r == 0)
                r = id_key_digest(encoded, &digest);
        if (r < 0)
                return r;
        *ret = hash_hex(&digest);
        return *ret ? 0 : -ENOMEM;
}

static int print_id_block(const Arguments *arguments, const IdBlock *block, const SigningKey *id,
                          const SigningKey *author)
{
        _cleanup_free_ char *launch = hash_hex(&block->launch_digest), *id_digest = NULL;
        _cleanup_free_ char *author_digest = NULL;
        _cleanup_json_ json_object *object = NULL;
        uint8_t encoded[ID_BLOCK_SIZE], auth[ID_AUTH_SIZE];
        char policy[24];
        int r;

        id_block_encode(block, encoded);
        r = id_auth_encode(encoded, id, author, auth);
        if (r == 0)
                r = digest_of_key(id, &id_digest);
        if (r == 0)
                r = digest_of_key(author, &author_digest);
        if (r < 0 || !launch)
                return fail_local(arguments, "cannot sign the ID block: %s",
                                  strerror(r < 0 ? -r : ENOMEM));
        snprintf(policy, sizeof(policy), "0x%" PRIx64, block->policy);
        object = json_build("launchSecurity",
                            json_build("policy", json_object_new_string(policy), "idBlock",
                                       base64_json(encoded, sizeof(encoded)), "idAuth",
                                       base64_json(auth, sizeof(auth)), "authorKeyEnabled",
                                       author ? json_object_new_string("true") : NULL, NULL),
                            "launchDigest", json_object_new_string(launch), "idKeyDigest",
                            json_object_new_string(id_digest), "authorKeyDigest",
                            author ? json_object_new_string(author_digest) : NULL, NULL);
        output_json(object);
        return CLI_DONE;
}

int measure_id_block(const Arguments *arguments, const Measurement *measurement,
                     const uint64_t *policy)
{
        _cleanup_(signing_key_freep) SigningKey *id = NULL, *author = NULL;
        IdBlock block = {.guest_svn = (uint32_t)arguments_number(arguments, "svn", 0)};
        int r;

        r = choose_digest(arguments, measurement, &block.launch_digest);
        if (r == 0)
                r = read_id(arguments, "family-id", block.family_id);
        if (r == 0)
                r = read_id(arguments, "image-id", block.image_id);
        if (r == 0)
                r = read_policy(arguments, policy, &block.policy);
        if (r == 0)
                r = measure_key_load(arguments, "id-key", KEY_P384, &id);
        if (r == 0)
                r = measure_key_load(arguments, "author-key", KEY_P384, &author);
        return r ?: print_id_block(arguments, &block, id, author);
}
