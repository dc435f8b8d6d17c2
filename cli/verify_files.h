/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What verify is given: files, a CVM's name, texts. Each function returns 0 or the exit code of the
 * failure that it printed. */

#include "arguments.h"
#include "verify/verify.h"

/* Owns all that the inputs of verify_run() borrow. */
typedef struct VerifyFiles {
        char *report, *event_log;
        Certificates leaf, others, root;
        Expectation expectation;
        bool has_expectation;
        uint8_t report_data[VERIFY_REPORT_DATA_SIZE];
} VerifyFiles;

int verify_files_load(const Arguments *arguments, VerifyFiles *files, VerifyInputs *inputs);
void verify_files_done(VerifyFiles *files);
