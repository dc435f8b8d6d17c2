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

ExitStatus measure_format_load_key(const Cli *cli, const char *path, unsigned curves,
                                   SigningKey **ret)
{
        const char *reason;
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        *ret = NULL;
        if (!path)
                return EXIT_OK;
        r = file_read_at(AT_FDCWD, path, KEY_FILE_MAX, &data, &size);
        if (r < 0)
                return fail_file_error(cli, path, r, "cannot read the key");
        r = signing_key_parse((Bytes){(const uint8_t *)data, size}, curves, ret, &reason);
        explicit_bzero(data, size);
        if (r == -EINVAL)
                return fail_file(cli, path, 0, "%s", reason);
        return r < 0 ? fail_memory(cli) : EXIT_OK;
}

/* Indexed by MeasureFormat; FORMAT_TEXT has no name. */
static const char *const format_names[] = {
        [FORMAT_JSON] = "json",
        [FORMAT_CORIM] = "corim",
        [FORMAT_ID_BLOCK] = "snp-id-block",
        [FORMAT_IGVM] = "igvm",
};

MeasureFormatOptions measure_format_options(const Arguments *arguments)
{
        const char *name = arguments_value(arguments, "format");
        MeasureFormatOptions options = {
                .format = arguments->cli.json ? FORMAT_JSON : FORMAT_TEXT,
                .output = arguments_value(arguments, "output"),
                .key = arguments_value(arguments, "key"),
                .signer = arguments_value(arguments, "signer"),
                .id_key = arguments_value(arguments, "id-key"),
                .author_key = arguments_value(arguments, "author-key"),
                .family_id = arguments_value(arguments, "family-id"),
                .image_id = arguments_value(arguments, "image-id"),
                .policy = arguments_value(arguments, "policy"),
                .digest = arguments_value(arguments, "digest"),
                .tree = arguments_has(arguments, "tree"),
                .svg = arguments_value(arguments, "svg"),
                .svn = arguments_has(arguments, "svn")
                               ? (int64_t)arguments_number(arguments, "svn", 0)
                               : -1,
        };

        for (MeasureFormat format = FORMAT_JSON; name && format <= FORMAT_IGVM; format++)
                if (strcmp(format_names[format], name) == 0)
                        options.format = format;
        options.other_form = options.format != FORMAT_TEXT;
        if (options.tree || options.svg)
                options.format = options.svg ? FORMAT_SVG : FORMAT_TREE;
        return options;
}

/* Refuses options of another format than the one that was given. */
static ExitStatus measure_format_check_belongs(const Cli *cli, const MeasureFormatOptions *options)
{
        const struct {
                const char *name;
                bool given;
                MeasureFormat format, or_format; /* 0: no other one */
        } belongs[] = {
                {"key", options->key, FORMAT_CORIM},
                {"signer", options->signer, FORMAT_CORIM},
                {"id-key", options->id_key, FORMAT_ID_BLOCK, FORMAT_IGVM},
                {"author-key", options->author_key, FORMAT_ID_BLOCK, FORMAT_IGVM},
                {"svn", options->svn >= 0, FORMAT_ID_BLOCK, FORMAT_IGVM},
                {"family-id", options->family_id, FORMAT_ID_BLOCK, FORMAT_IGVM},
                {"policy", options->policy, FORMAT_ID_BLOCK, FORMAT_IGVM},
                {"image-id", options->image_id, FORMAT_ID_BLOCK, FORMAT_IGVM},
                {"digest", options->digest, FORMAT_ID_BLOCK, FORMAT_IGVM},
                {"output", options->output, FORMAT_IGVM},
        };

        for (size_t i = 0; i < ARRAY_SIZE(belongs); i++) {
                MeasureFormat other = belongs[i].or_format;

                if (!belongs[i].given || options->format == belongs[i].format ||
                    (other && options->format == other))
                        continue;
                return fail_usage(cli, "--%s can be used only with --format %s%s%s",
                                  belongs[i].name, format_names[belongs[i].format],
                                  other ? " or " : "", other ? format_names[other] : "");
        }
        return EXIT_OK;
}

ExitStatus measure_format_check(const Cli *cli, const MeasureFormatOptions *options)
{
        ExitStatus status = measure_format_check_belongs(cli, options);

        if (status.code)
                return status;
        if ((options->tree || options->svg) &&
            (options->other_form || (options->tree && options->svg)))
                return fail_usage(cli, "--tree, --svg, --json and --format exclude each other");
        if (options->format == FORMAT_CORIM && cli->json)
                return fail_usage(cli, "--json and --format corim exclude each other");
        if (options->signer && !options->key)
                return fail_usage(cli, "--signer requires --key");
        if (options->format == FORMAT_ID_BLOCK && !options->id_key)
                return fail_usage(cli, "--format snp-id-block requires --id-key");
        if (options->format == FORMAT_IGVM && !(options->id_key && options->output))
                return fail_usage(cli, "--format igvm requires --id-key and --output");
        return EXIT_OK;
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

ExitStatus measure_format_corim(const Cli *cli, const MeasureFormatOptions *options,
                                const Measurement *measurement)
{
        _cleanup_free_ uint8_t *corim = NULL, *is_signed = NULL;
        _cleanup_(signing_key_freep) SigningKey *key = NULL;
        const char *signer = options->signer;
        size_t size, signed_size;
        ExitStatus status;
        int r;

        if (output_is_terminal(stdout))
                return fail_usage(cli, "CoRIM is binary: redirect it to a file or a pipe");
        if (signer && !text_is_utf8(signer, strlen(signer)))
                return fail_usage(cli, "--signer must be valid UTF-8");
        status = measure_format_load_key(cli, options->key, KEY_P256 | KEY_P384, &key);
        if (status.code)
                return status;
        note_left_out(measurement);
        r = corim_encode(measurement, &corim, &size);
        if (r == -ENODATA)
                return fail_local(cli, "no register has a value: there is nothing to state");
        if (r == 0 && key)
                r = corim_sign(corim, size, key, signer, &is_signed, &signed_size);
        if (r < 0)
                return fail_local(cli, "cannot create the CoRIM: %s", strerror(-r));
        if (key)
                fwrite(is_signed, 1, signed_size, stdout);
        else
                fwrite(corim, 1, size, stdout);
        return EXIT_OK;
}
