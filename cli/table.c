/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <string.h>
#include <sys/param.h>

#include "output.h"
#include "paragraph.h"

#define CUT_WIDTH_MIN 8   /* to which a cell may be elided */
#define WORD_WIDTH_MAX 28 /* of a wrapped column, if it has words that long */
#define VALUE_WIDTH_MIN 12

typedef struct Table {
        const TableView *view;
        const TableColumn *columns;
        size_t n_columns, n_rows;
        char **cells;                    /* n_rows times n_columns; owned */
        const char **colours;            /* likewise; NULL: none */
        size_t width[TABLE_COLUMNS_MAX]; /* of the widest cell, the title included */
        size_t least[TABLE_COLUMNS_MAX]; /* to which it may be narrowed */
        bool left_out[TABLE_COLUMNS_MAX];
} Table;

static void table_done(Table *table)
{
        for (size_t i = 0; table->cells && i < table->n_rows * table->n_columns; i++)
                free(table->cells[i]);
        free(table->cells);
        free(table->colours);
}

/* By the view's function, or by the columns' keys. */
static void table_fill_row(Table *table, json_object *item, size_t row)
{
        if (table->view->row)
                table->view->row(item, &table->cells[row * table->n_columns]);
        for (size_t c = 0; c < table->n_columns; c++) {
                const TableColumn *column = &table->columns[c];
                size_t i = row * table->n_columns + c;

                if (!table->view->row)
                        table->cells[i] = column->text ? column->text(item, column->key)
                                                       : output_member(item, column->key);
                if (table->view->colour && column->colour)
                        table->colours[i] = column->colour(item, column->key);
        }
}

static int table_fill(Table *table, json_object *array)
{
        size_t n;

        while (table->columns[table->n_columns].title)
                table->n_columns++;
        table->n_rows = json_object_array_length(array);
        n = table->n_rows * table->n_columns;
        table->cells = calloc(n + 1, sizeof(*table->cells));
        table->colours = calloc(n + 1, sizeof(*table->colours));
        if (!table->cells || !table->colours || table->n_columns > TABLE_COLUMNS_MAX)
                return -ENOMEM;
        for (size_t c = 0; c < table->n_columns && !table->view->no_legend; c++)
                table->width[c] = paragraph_text_width(table->columns[c].title);
        for (size_t i = 0; i < table->n_rows; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                char **cells = &table->cells[i * table->n_columns];

                table_fill_row(table, item, i);
                for (size_t c = 0; c < table->n_columns; c++) {
                        if (!cells[c])
                                return -ENOMEM;
                        table->width[c] = MAX(table->width[c], paragraph_text_width(cells[c]));
                }
        }
        return 0;
}

/* With a blank between two columns. */
static size_t table_width(const Table *table)
{
        size_t width = 0;

        for (size_t c = 0; c < table->n_columns; c++)
                if (!table->left_out[c])
                        width += table->width[c] + (width > 0);
        return width;
}

/* The longest word of the column's cells, but at most WORD_WIDTH_MAX: longer ones are broken. */
static size_t table_longest_word(const Table *table, size_t c)
{
        size_t longest = 0;

        for (size_t i = c; i < table->n_rows * table->n_columns; i += table->n_columns) {
                const char *word = table->cells[i];

                while (*word) {
                        size_t size = strcspn(word, " ");
                        _cleanup_free_ char *alone = strndup(word, size);

                        longest = MAX(longest, alone ? paragraph_text_width(alone) : size);
                        word += size;
                        word += strspn(word, " ");
                }
        }
        return MIN(longest, WORD_WIDTH_MAX);
}

/* To how much the column may be narrowed. */
static size_t table_least_width(const Table *table, size_t c)
{
        const TableColumn *column = &table->columns[c];
        size_t least = table->view->no_legend ? 0 : paragraph_text_width(column->title);

        if (!column->cut && !column->wrap)
                return table->width[c];
        if (column->cut)
                least = MAX(least, column->least ?: CUT_WIDTH_MIN);
        else
                least = MAX(least, table_longest_word(table, c));
        return MIN(table->width[c], least);
}

/* Leaves out the columns that do not fit next to more important ones. Returns whether what remains
 * can be narrowed to the terminal. */
static bool table_leave_out(Table *table, size_t terminal)
{
        size_t used = 0;

        for (unsigned rank = 0; rank <= table->n_columns; rank++)
                for (size_t c = 0; c < table->n_columns; c++) {
                        size_t more = table->least[c] + (used > 0);

                        if (table->columns[c].rank != rank)
                                continue;
                        table->left_out[c] = rank && used + more > terminal;
                        if (!table->left_out[c])
                                used += more;
                }
        return used <= terminal;
}

/* Makes columns narrower, the widest that may be first. Returns whether the table fits then. */
static bool table_narrow(Table *table, size_t terminal)
{
        bool fits;

        for (size_t c = 0; c < table->n_columns; c++)
                table->least[c] = table_least_width(table, c);
        fits = table_leave_out(table, terminal);
        while (table_width(table) > terminal) {
                size_t widest = TABLE_COLUMNS_MAX;

                for (size_t c = 0; c < table->n_columns; c++)
                        if (!table->left_out[c] && table->width[c] > table->least[c] &&
                            (widest == TABLE_COLUMNS_MAX || table->width[c] > table->width[widest]))
                                widest = c;
                if (widest == TABLE_COLUMNS_MAX)
                        break;
                table->width[widest]--;
        }
        return fits;
}

/* Elides or wraps the cells by the widths of their columns. */
static int table_fit_cells(Table *table)
{
        for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
                size_t c = i % table->n_columns;
                char *cell = table->columns[c].cut
                                     ? paragraph_elide(table->cells[i], table->width[c])
                                     : paragraph_wrap(table->cells[i], table->width[c]);

                if (!cell)
                        return -ENOMEM;
                free(table->cells[i]);
                table->cells[i] = cell;
        }
        return 0;
}

/* One cell's next line, moved on past it. *fill: the blanks before it, then those after it, which
 * are printed only if something follows. */
static void table_print_cell(FILE *stream, const Table *table, size_t c, const char *colour,
                             char **rest, size_t *fill)
{
        const char *line = *rest ? strsep(rest, "\n") : "";
        size_t width = paragraph_text_width(line);
        size_t room = table->width[c] - MIN(width, table->width[c]);

        if (!*line) {
                *fill += table->width[c] + 1;
                return;
        }
        if (table->columns[c].right)
                *fill += room;
        fprintf(stream, "%*s%s%s%s", (int)*fill, "", colour ?: "", line,
                colour ? OUTPUT_PLAIN : "");
        *fill = 1 + (table->columns[c].right ? 0 : room);
}

/* The cells of a row are taken apart. */
static void table_print_row(FILE *stream, const Table *table, size_t row)
{
        char *rest[TABLE_COLUMNS_MAX];
        const char **colours = &table->colours[row * table->n_columns];

        memcpy(rest, &table->cells[row * table->n_columns], table->n_columns * sizeof(*rest));
        for (bool more = true; more;) {
                size_t fill = 0;

                more = false;
                for (size_t c = 0; c < table->n_columns; c++) {
                        if (table->left_out[c])
                                continue;
                        table_print_cell(stream, table, c, colours[c], &rest[c], &fill);
                        more = more || rest[c];
                }
                fputc('\n', stream);
        }
}

/* Without blanks at its end. */
static void table_print_titles(FILE *stream, const Table *table)
{
        size_t fill = 0;

        for (size_t c = 0; c < table->n_columns; c++) {
                char title[64], *rest = title;

                snprintf(title, sizeof(title), "%s", table->columns[c].title);
                if (!table->left_out[c])
                        table_print_cell(stream, table, c, NULL, &rest, &fill);
        }
        fputc('\n', stream);
}

static void table_print_columns(FILE *stream, const Table *table)
{
        if (table->n_rows > 0 && !table->view->no_legend)
                table_print_titles(stream, table);
        for (size_t i = 0; i < table->n_rows; i++)
                table_print_row(stream, table, i);
}

/* "TITLE: value", which wraps to further lines if it is longer than the terminal is wide. */
static int table_print_item(FILE *stream, const char *title, size_t indent, const char *value,
                            size_t terminal)
{
        size_t room = terminal > indent + VALUE_WIDTH_MIN ? terminal - indent : VALUE_WIDTH_MIN;
        _cleanup_free_ char *lines = paragraph_wrap(value, room);
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
                indent = MAX(indent, paragraph_text_width(table->columns[c].title) + 2);
        for (size_t i = 0; r == 0 && i < table->n_rows; i++) {
                if (i > 0)
                        fputc('\n', stream);
                for (size_t c = 0; r == 0 && c < table->n_columns; c++)
                        r = table_print_item(stream, table->columns[c].title, indent,
                                             table->cells[i * table->n_columns + c], terminal);
        }
        return r;
}

int table_print_view(FILE *stream, const TableView *view, json_object *array)
{
        _cleanup_(table_done) Table table = {.view = view, .columns = view->columns};
        int r;

        if (!json_object_is_type(array, json_type_array))
                return 0;
        if (json_object_array_length(array) == 0 && view->empty && !view->no_legend)
                fprintf(stream, "%s\n", view->empty);
        r = table_fill(&table, array);
        if (r < 0)
                return r;
        if (view->terminal && !table_narrow(&table, view->terminal) && !view->no_list)
                return table_print_list(stream, &table, view->terminal);
        for (size_t i = 0; !view->terminal && i < table.n_rows * table.n_columns; i++)
                paragraph_finish(table.cells[i]);
        if (view->terminal)
                r = table_fit_cells(&table);
        if (r == 0)
                table_print_columns(stream, &table);
        return r;
}

int table_print(FILE *stream, const TableColumn *columns, json_object *array, TableRow row,
                const char *empty)
{
        const TableView view = {
                .columns = columns,
                .row = row,
                .terminal = output_width(stream),
                .colour = output_colour(stream),
                .empty = empty,
        };

        return table_print_view(stream, &view, array);
}

int table_print_within(FILE *frame, size_t width, const TableColumn *columns, json_object *array,
                       TableRow row, const char *empty)
{
        const TableView view = {
                .columns = columns,
                .row = row,
                .terminal = width,
                .colour = output_colour(stdout),
                .no_list = true,
                .empty = empty,
        };

        return table_print_view(frame, &view, array);
}
