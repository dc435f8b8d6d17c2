/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What verify is given: files, a CVM's name, texts. Functions that return an ExitStatus have
 * printed the failure. */

#include "arguments.h"
#include "verify/attestation.h"
#include "verify/verify.h"

/* What the command line names; NULL: not given. */
typedef struct VerifyOptions {
        const char *report, *event_log;         /* files */
        const char *evidence;                   /* a file of attest, in place of these */
        bool live;                              /* a CVM is asked, in place of all three */
        const char *expect;                     /* a file, or a CVM's name */
        const char *leaf, *others, *root;       /* files: --vcek, --cert-chain, --root-ca */
        const char *report_data, *nonce, *date; /* hex, base64, YYYY-MM-DD */
} VerifyOptions;

VerifyOptions verify_options(const Arguments *arguments);

/* Owns all that the inputs of verify_run() borrow. */
typedef struct VerifyFiles {
        char *report, *event_log;
        Certificates leaf, others, root;
        Expectation expectation;
        bool has_expectation;
        Attestation attestation;
        bool has_attestation;
        uint8_t report_data[VERIFY_REPORT_DATA_SIZE];
} VerifyFiles;

ExitStatus verify_files_load(const Cli *cli, const VerifyOptions *options, VerifyFiles *files,
                             VerifyInputs *inputs);
void verify_files_done(VerifyFiles *files);
