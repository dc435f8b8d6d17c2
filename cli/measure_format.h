/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The forms of a measurement other than text and JSON: which options go with which, and --format
 * corim. */

#include "arguments.h"
#include "measure/measurement.h"
#include "measure/signing_key.h"

typedef enum MeasureFormat {
        FORMAT_TEXT,
        FORMAT_JSON,
        FORMAT_CORIM,
        FORMAT_ID_BLOCK, /* snp-id-block */
        FORMAT_IGVM,
        FORMAT_TREE, /* --tree */
        FORMAT_SVG,  /* --svg */
} MeasureFormat;

/* What the command line says of the form; borrowed from the arguments. NULL: not given. */
typedef struct MeasureFormatOptions {
        MeasureFormat format;     /* without --format FORMAT_TEXT, or with --json FORMAT_JSON */
        const char *output;       /* a file, of FORMAT_IGVM */
        const char *key, *signer; /* of FORMAT_CORIM */
        const char *id_key, *author_key, *family_id, *image_id; /* of an ID block */
        const char *policy, *digest;
        int64_t svn;     /* -1: not given */
        bool tree;       /* --tree was given */
        bool other_form; /* --json or --format was */
        const char *svg; /* a file */
} MeasureFormatOptions;

MeasureFormatOptions measure_format_options(const Arguments *arguments);

/* Checks that the options can be used together. This and the following return EXIT_OK, or the
 * status of what they printed. */
ExitStatus measure_format_check(const Cli *cli, const MeasureFormatOptions *options);

/* The key in a PEM file; NULL if path is. */
ExitStatus measure_format_load_key(const Cli *cli, const char *path, unsigned curves,
                                   SigningKey **ret);

/* CoRIM on standard output, signed with the key; what it leaves out goes to standard error. */
ExitStatus measure_format_corim(const Cli *cli, const MeasureFormatOptions *options,
                                const Measurement *measurement);
