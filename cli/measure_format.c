/* SPDX-License-Identifier: Apache-2.0 */
#include "measure_format.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "fail.h"
#include "measure/corim.h"
#include "output.h"

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
                return fail_file_error(arguments, path, r, "cannot read the key");
        r = signing_key_parse((Bytes){(const uint8_t *)data, size}, curves, ret, &reason);
        explicit_bzero(data, size);
        if (r == -EINVAL)
                return fail_file(arguments, path, 0, "%s", reason);
        return r < 0 ? fail_memory(arguments) : 0;
}

int measure_format_check(const Arguments *arguments)
{
        static const struct {
                const char *option, *format, *or_format;
        } belongs[] = {
                {"key", "corim"},
                {"signer", "corim"},
                {"id-key", "snp-id-block", "igvm"},
                {"author-key", "snp-id-block", "igvm"},
                {"svn", "snp-id-block", "igvm"},
                {"family-id", "snp-id-block", "igvm"},
                {"policy", "snp-id-block", "igvm"},
                {"image-id", "snp-id-block", "igvm"},
                {"digest", "snp-id-block", "igvm"},
                {"output", "igvm"},
        };
        const char *format = arguments_value(arguments, "format") ?: "json";

        for (size_t i = 0; i < ARRAY_SIZE(belongs); i++)
                if (arguments_has(arguments, belongs[i].option) &&
                    strcmp(belongs[i].format, format) != 0 &&
                    !(belongs[i].or_format && strcmp(belongs[i].or_format, format) == 0))
                        return fail_usage(arguments, "--%s is for --format %s%s%s",
                                          belongs[i].option, belongs[i].format,
                                          belongs[i].or_format ? " or " : "",
                                          belongs[i].or_format ?: "");
        if (strcmp(format, "corim") == 0 && arguments->json)
                return fail_usage(arguments, "--json and --format corim exclude each other");
        if (arguments_has(arguments, "signer") && !arguments_has(arguments, "key"))
                return fail_usage(arguments, "--signer needs --key");
        if (strcmp(format, "snp-id-block") == 0 && !arguments_has(arguments, "id-key"))
                return fail_usage(arguments, "--format snp-id-block needs --id-key");
        if (strcmp(format, "igvm") == 0 &&
            !(arguments_has(arguments, "id-key") && arguments_has(arguments, "output")))
                return fail_usage(arguments, "--format igvm needs --id-key and --output");
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
        return EXIT_DONE;
}
