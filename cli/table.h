/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tables of JSON objects. Anywhere but on a terminal, and with `full`, a table has its full width.
 * On a terminal it is fitted to the width: columns that may be left out are left out, cells of
 * columns that may be cut are elided with "…", cells of columns that may be wrapped continue in the
 * next line, and a table that is too wide even then is printed as a list, "TITLE: value" a line.
 */

#include <json-c/json.h>
#include <stdio.h>

#include "base/macros.h"

typedef struct TableColumn {
        const char *title;
        const char
                *key; /* of the member that the column shows, unless a TableRow fills the cells */
        /* The cell's text: newly allocated, NULL without memory. Default: output_member(). */
        char *(*text)(json_object *item, const char *key);
        /* The cell's colour (OUTPUT_RED, …), NULL for none. Default: none. */
        const char *(*colour)(json_object *item, const char *key);
        bool right;
        bool cut;      /* may be elided on a terminal that is too narrow */
        bool wrap;     /* may continue in the next line there */
        size_t least;  /* to which its cells are elided at most; default: 8 */
        unsigned rank; /* if not 0, left out there if it does not fit next to those of lower rank */
} TableColumn;

/* Fills one row: newly allocated texts, NULL for "out of memory", one a column. */
typedef void (*TableRow)(json_object *item, char **cells);

/* How an array is shown. */
typedef struct TableView {
        const TableColumn *columns; /* ended by {}; at most TABLE_COLUMNS_MAX */
        TableRow row;               /* NULL: each column has its key */
        size_t terminal;            /* the columns to which it is fitted; 0: any */
        bool colour;
        bool no_legend;    /* without titles */
        bool no_list;      /* too wide rather than a list */
        const char *empty; /* printed instead of the titles if there are no rows */
} TableView;

#define TABLE_COLUMNS_MAX 32

/* Prints an array. Returns 0 or -ENOMEM. */
int table_print_view(FILE *stream, const TableView *view, json_object *array);
/* The same with titles, or with `empty` (NULL: nothing), as the stream has width and colours. */
int table_print(FILE *stream, const TableColumn *columns, json_object *array, TableRow row,
                const char *empty);
/* The same for a frame (screen.h), whose lines are cut at that width: fitted to it as far as
 * possible, and never a list. 0: not fitted. */
int table_print_within(FILE *frame, size_t width, const TableColumn *columns, json_object *array,
                       TableRow row, const char *empty);
