/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "list_select.h"

/* How `list` prints CVMs. Borrowed from the arguments; NULL: not given. */
typedef struct ListFormat {
        const char *sort; /* a field's path; with "-" before it from the largest to the smallest */
        const char *fields; /* of --format: paths with commas between them */
        bool json, lines;   /* as JSON: an array, or a CVM a line */
        bool quiet;         /* names only */
        bool watch;         /* drawn again and again */
        bool full;          /* not fitted to the terminal */
        bool no_legend;     /* without titles, and without "No CVMs." */
} ListFormat;

/* Lists the CVMs that are selected as `cvmctl list` does. Prints failures. */
ExitStatus list_print(const Cli *cli, const ListSelection *selection, const ListFormat *format);
