/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <langinfo.h>
#include <string.h>
#include <sys/param.h>
#include <wchar.h>

#include "base/text.h"
#include "output.h"

#define COLUMNS_MAX 16
#define CUT_WIDTH_MIN 8 /* to which a cell may be elided */
#define WRAP_WIDTH_MIN 12

typedef struct Table {
        const TableColumn *columns;
        size_t n_columns, n_rows;
        char **cells;              /* n_rows times n_columns; owned */
        size_t width[COLUMNS_MAX]; /* of the widest cell, the title included */
} Table;

static void table_done(Table *table)
{
        for (size_t i = 0; table->cells && i < table->n_rows * table->n_columns; i++)
                free(table->cells[i]);
        free(table->cells);
}

/* Columns that a text takes on a terminal. */
static size_t table_text_width(const char *text)
{
        size_t n = mbstowcs(NULL, text, 0);
        _cleanup_free_ wchar_t *wide = n == (size_t)-1 ? NULL : calloc(n + 1, sizeof(*wide));
        int width;

        if (!wide)
                return strlen(text);
        mbstowcs(wide, text, n + 1);
        width = wcswidth(wide, n);
        return width < 0 ? n : (size_t)width;
}

/* Nothing is filled in if it is not an array. */
static int table_fill(Table *table, json_object *array, TableRow row)
{
        if (!json_object_is_type(array, json_type_array))
                return 0;
        while (table->columns[table->n_columns].title)
                table->n_columns++;
        table->n_rows = json_object_array_length(array);
        table->cells = calloc(table->n_rows * table->n_columns + 1, sizeof(*table->cells));
        if (!table->cells || table->n_columns > COLUMNS_MAX)
                return -ENOMEM;
        for (size_t c = 0; c < table->n_columns; c++)
                table->width[c] = table_text_width(table->columns[c].title);
        for (size_t i = 0; i < table->n_rows; i++) {
                char **cells = &table->cells[i * table->n_columns];

                row(json_object_array_get_idx(array, i), cells);
                for (size_t c = 0; c < table->n_columns; c++) {
                        size_t width = cells[c] ? table_text_width(cells[c]) : 0;

                        if (!cells[c])
                                return -ENOMEM;
                        if (width > table->width[c])
                                table->width[c] = width;
                }
        }
        return 0;
}

/* How many bytes of a text fit into the width; at least one character. */
static size_t table_fitting(const char *text, size_t width)
{
        size_t size = 0, used = 0;

        while (text[size]) {
                size_t length = text_utf8_length((unsigned char)text[size]) ?: 1;
                _cleanup_free_ char *one = strndup(text + size, length);
                size_t more = one ? table_text_width(one) : 1;

                if (size && used + more > width)
                        break;
                used += more;
                size += strnlen(text + size, length);
        }
        return size;
}

/* A copy whose last character that fits is "…". NULL without memory. */
static char *table_elide(const char *text, size_t width)
{
        const char *mark = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "…" : "~";
        char *elided;

        if (table_text_width(text) <= width)
                return strdup(text);
        elided = text_format("%.*s%s", (int)table_fitting(text, width - 1), text, mark);
        if (!elided)
                return NULL;
        return elided;
}

/* A copy with line breaks, if there are words between two of them. NULL without memory. */
static char *table_wrap(const char *text, size_t width)
{
        _cleanup_(buffer_done) Buffer lines = {};

        while (table_text_width(text) > width) {
                size_t size = table_fitting(text, width), end = size;

                while (end > 0 && text[end] != ' ')
                        end--;
                if (end > 0)
                        size = end;
                if (buffer_append(&lines, text, size) < 0 || buffer_append_text(&lines, "\n") < 0)
                        return NULL;
                text += size + (text[size] == ' ');
        }
        return buffer_append_text(&lines, text) < 0 ? NULL : buffer_take(&lines);
}

static size_t table_width(const Table *table)
{
        size_t width = table->n_columns ? table->n_columns - 1 : 0; /* a blank between two */

        for (size_t c = 0; c < table->n_columns; c++)
                width += table->width[c];
        return width;
}

/* To how much the column may be narrowed. */
static size_t table_least_width(const Table *table, size_t c)
{
        const TableColumn *column = &table->columns[c];
        size_t title = table_text_width(column->title);
        size_t least = column->cut ? CUT_WIDTH_MIN : WRAP_WIDTH_MIN;

        return column->cut || column->wrap ? MAX(title, least) : SIZE_MAX;
}

/* Makes columns narrower, the widest that may be first. Returns whether the table fits then. */
static bool table_narrow(Table *table, size_t terminal)
{
        while (table_width(table) > terminal) {
                size_t widest = COLUMNS_MAX;

                for (size_t c = 0; c < table->n_columns; c++)
                        if (table->width[c] > table_least_width(table, c) &&
                            (widest == COLUMNS_MAX || table->width[c] > table->width[widest]))
                                widest = c;
                if (widest == COLUMNS_MAX)
                        return false;
                table->width[widest]--;
        }
        return true;
}

/* Elides or wraps the cells by the widths of their columns. */
static int table_fit_cells(Table *table)
{
        for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
                size_t c = i % table->n_columns;
                char *cell = table->columns[c].cut ? table_elide(table->cells[i], table->width[c])
                                                   : table_wrap(table->cells[i], table->width[c]);

                if (!cell)
                        return -ENOMEM;
                free(table->cells[i]);
                table->cells[i] = cell;
        }
        return 0;
}

/* One cell's next line, moved on past it; the last column is not filled up. */
static void table_print_cell(FILE *stream, const Table *table, size_t c, char **rest)
{
        const char *line = *rest ? strsep(rest, "\n") : "";
        size_t width = table_text_width(line);
        int fill = (int)(table->width[c] - MIN(width, table->width[c]));

        if (table->columns[c].right)
                fprintf(stream, "%*s%s", fill, "", line);
        else
                fprintf(stream, "%s%*s", line, c + 1 < table->n_columns ? fill : 0, "");
        fputs(c + 1 < table->n_columns ? " " : "\n", stream);
}

/* The cells of a row are taken apart. */
static void table_print_row(FILE *stream, const Table *table, char **cells)
{
        char *rest[COLUMNS_MAX];
        bool more = true;

        memcpy(rest, cells, table->n_columns * sizeof(*rest));
        while (more) {
                more = false;
                for (size_t c = 0; c < table->n_columns; c++) {
                        table_print_cell(stream, table, c, &rest[c]);
                        more = more || rest[c];
                }
        }
}

static void table_print_columns(FILE *stream, Table *table)
{
        if (table->n_rows == 0)
                return;
        for (size_t c = 0; c < table->n_columns; c++) {
                char title[64], *rest = title;

                snprintf(title, sizeof(title), "%s", table->columns[c].title);
                table_print_cell(stream, table, c, &rest);
        }
        for (size_t i = 0; i < table->n_rows; i++)
                table_print_row(stream, table, &table->cells[i * table->n_columns]);
}

/* "TITLE: value", which wraps to further lines if it is longer than the terminal is wide. */
static int table_print_item(FILE *stream, const char *title, size_t indent, const char *value,
                            size_t terminal)
{
        size_t room = terminal > indent + WRAP_WIDTH_MIN ? terminal - indent : WRAP_WIDTH_MIN;
        _cleanup_free_ char *lines = table_wrap(value, room);
        char *rest = lines;
        const char *line;

        if (!lines)
                return -ENOMEM;
        fprintf(stream, "%*s: ", (int)indent - 2, title);
        for (bool first = true; (line = strsep(&rest, "\n")); first = false)
                fprintf(stream, "%*s%s\n", first ? 0 : (int)indent, "", line);
        return 0;
}

/* An item a cell, an empty line between two rows. */
static int table_print_list(FILE *stream, const Table *table, size_t terminal)
{
        size_t indent = 0;
        int r = 0;

        for (size_t c = 0; c < table->n_columns; c++)
                indent = MAX(indent, table_text_width(table->columns[c].title) + 2);
        for (size_t i = 0; r == 0 && i < table->n_rows; i++) {
                if (i > 0)
                        fputc('\n', stream);
                for (size_t c = 0; r == 0 && c < table->n_columns; c++)
                        r = table_print_item(stream, table->columns[c].title, indent,
                                             table->cells[i * table->n_columns + c], terminal);
        }
        return r;
}

int table_print(FILE *stream, const TableColumn *columns, json_object *array, TableRow row)
{
        _cleanup_(table_done) Table table = {.columns = columns};
        size_t terminal = output_width(stream);
        int r = table_fill(&table, array, row);

        if (r < 0)
                return r;
        if (terminal && !table_narrow(&table, terminal))
                return table_print_list(stream, &table, terminal);
        if (terminal)
                r = table_fit_cells(&table);
        if (r == 0)
                table_print_columns(stream, &table);
        return r;
}

int table_print_within(FILE *stream, size_t width, const TableColumn *columns, json_object *array,
                       TableRow row)
{
        _cleanup_(table_done) Table table = {.columns = columns};
        int r = table_fill(&table, array, row);

        if (r == 0 && width) {
                (void)table_narrow(&table, width);
                r = table_fit_cells(&table);
        }
        if (r == 0)
                table_print_columns(stream, &table);
        return r;
}
