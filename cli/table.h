/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tables. Anywhere but on a terminal a table has its full width. On a terminal it is fitted to the
 * width: cells of columns that may be cut are elided with "…", cells of columns that may be wrapped
 * continue in the next line, and a table that is too wide even then is printed as a list, "TITLE:
 * value" a line.
 */

#include <json-c/json.h>
#include <stdio.h>

#include "base/macros.h"

typedef struct TableColumn {
        const char *title;
        bool right;
        bool cut;  /* may be elided on a terminal that is too narrow */
        bool wrap; /* may continue in the next line there */
} TableColumn;

/* Fills one row: newly allocated texts, NULL for "out of memory", one a column. */
typedef void (*TableRow)(json_object *item, char **cells);

/* Prints an array as a table, columns ended by {}. Returns 0 or -ENOMEM. */
int table_print(FILE *stream, const TableColumn *columns, json_object *array, TableRow row);
/* The same for a stream whose lines are cut at that width (screen.h): fitted to it as far as
 * possible, and never a list. 0: not fitted. */
int table_print_within(FILE *stream, size_t width, const TableColumn *columns, json_object *array,
                       TableRow row);
