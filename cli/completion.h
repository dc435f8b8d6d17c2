/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The scripts of cli/completions, by which shells ask `cvmctl complete`. */

typedef struct CompletionScript {
        const char *shell; /* "bash" */
        const char *text;
} CompletionScript;

/* Ended by {}; made when cvmctl is built. */
extern const CompletionScript completion_scripts[];
