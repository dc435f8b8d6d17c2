/* SPDX-License-Identifier: Apache-2.0 */
#include "list.h"

#include <string.h>
#include <sys/param.h>

#include "base/clock.h"
#include "base/json.h"
#include "cvm_text.h"
#include "fail.h"
#include "output.h"
#include "screen.h"
#include "table.h"

#define LIST_WATCH_USEC 2000000 /* between two frames */

/* The columns without --format; OWNER only for those who see CVMs of others. */
static const TableColumn list_columns[] = {
        {"NAME", "name", .cut = true, .least = 20},
        {"STATE", "state", .text = cvm_text_state, .colour = cvm_text_state_colour, .wrap = true},
        {"AGE", "createdAt", .text = cvm_text_age, .rank = 2},
        {"OWNER", "owner", .text = cvm_text_user, .cut = true, .rank = 5},
        {"CONFIDENTIAL", "confidential", .colour = cvm_text_confidential_colour},
        {"PLATFORM", "platform", .rank = 3},
        {"MEMORY", "memory", .text = output_size, .right = true, .rank = 6},
        {"READY", "ready", .text = cvm_text_ready, .rank = 1},
        {"FORWARDS", "forwards", .text = cvm_text_forwards, .wrap = true, .rank = 4},
        {},
};

/* Whether the caller sees CVMs of several users. */
static bool list_has_owners(json_object *cvms)
{
        if (geteuid() == 0)
                return true;
        for (size_t i = 0; i < json_object_array_length(cvms); i++)
                if (json_member_int(json_object_array_get_idx(cvms, i), "owner", geteuid()) !=
                    (int64_t)geteuid())
                        return true;
        return false;
}

/* Without OWNER, if it would be the same user in each row. */
static void list_choose_columns(json_object *cvms, TableColumn *ret)
{
        bool owners = list_has_owners(cvms);

        for (size_t i = 0; list_columns[i].title; i++)
                if (owners || strcmp(list_columns[i].key, "owner") != 0)
                        *ret++ = list_columns[i];
        *ret = (TableColumn){};
}

/* The columns of --format; they borrow from `fields`, which is taken apart. */
static void list_split_fields(char *fields, TableColumn *ret)
{
        const char *field;

        while ((field = strsep(&fields, ",")))
                *ret++ = (TableColumn){field, field, .text = cvm_text_field, .cut = true};
        *ret = (TableColumn){};
}

static ExitStatus list_check_field(const Cli *cli, const char *option, const char *path)
{
        _cleanup_free_ char *suggestion = NULL;

        if (cvm_text_has_field(path, &suggestion))
                return EXIT_OK;
        return fail_usage(cli, "invalid %s: a CVM has no field '%s'%s%s%s", option, path,
                          suggestion ? "; did you mean '" : "", suggestion ?: "",
                          suggestion ? "'?" : "");
}

static ExitStatus list_check_fields(const Cli *cli, const char *fields)
{
        _cleanup_free_ char *copy = strdup(fields);
        char *rest = copy;
        const char *field;
        size_t n = 0;

        if (!copy)
                return fail_memory(cli);
        while ((field = strsep(&rest, ","))) {
                ExitStatus status = list_check_field(cli, "--format", field);

                if (status.code)
                        return status;
                if (++n >= TABLE_COLUMNS_MAX)
                        return fail_usage(cli, "--format has too many fields");
        }
        return EXIT_OK;
}

/* An integer or a boolean as a number. */
static bool list_is_number(json_object *value)
{
        return json_object_is_type(value, json_type_int) ||
               json_object_is_type(value, json_type_boolean);
}

typedef struct ListItem {
        json_object *cvm, *value; /* borrowed; the value by which it is sorted, or NULL */
        size_t index;
} ListItem;

/* CVMs without the field come last; numbers are ordered by size, all else as text. reverse: a
 * bool. */
static int list_compare(const void *a, const void *b, void *reverse)
{
        const ListItem *one = a, *other = b;
        int order;

        if (!one->value || !other->value) {
                order = !one->value - !other->value;
        } else if (list_is_number(one->value) && list_is_number(other->value)) {
                int64_t x = json_object_get_int64(one->value);
                int64_t y = json_object_get_int64(other->value);

                order = (x > y) - (x < y);
        } else {
                order = strcmp(json_object_get_string(one->value),
                               json_object_get_string(other->value));
        }
        if (one->value && other->value && *(bool *)reverse)
                order = -order;
        return order ?: (one->index > other->index) - (one->index < other->index);
}

/* A new array in the order of a field; CVMs that are equal in it stay in their order. NULL without
 * memory. */
static json_object *list_sort(json_object *cvms, const char *sort)
{
        size_t n = json_object_array_length(cvms);
        _cleanup_free_ ListItem *items = calloc(n + 1, sizeof(*items));
        json_object *sorted = items ? json_object_new_array() : NULL;
        bool reverse = *sort == '-';

        if (!sorted)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);

                items[i] = (ListItem){cvm, cvm_text_find(cvm, sort + reverse), i};
        }
        qsort_r(items, n, sizeof(*items), list_compare, &reverse);
        for (size_t i = 0; i < n; i++)
                json_object_array_add(sorted, json_object_get(items[i].cvm));
        return sorted;
}

static void list_print_lines(const ListFormat *format, json_object *cvms)
{
        for (size_t i = 0; i < json_object_array_length(cvms); i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);
                _cleanup_free_ char *name = output_member(cvm, "name");

                if (format->quiet)
                        puts(name ?: "-");
                else
                        output_json(cvm);
        }
}

/* To standard output or a frame of it, fitted to a width; 0: to none. */
static ExitStatus list_print_table(const Cli *cli, const ListFormat *format, json_object *cvms,
                                   FILE *stream, size_t width)
{
        _cleanup_free_ char *fields = format->fields ? strdup(format->fields) : NULL;
        TableColumn columns[TABLE_COLUMNS_MAX + 1];
        const TableView view = {
                .columns = columns,
                .terminal = format->full ? 0 : width,
                .colour = output_colour(stdout),
                .no_legend = format->no_legend,
                .empty = "No CVMs.",
        };

        if (format->fields && !fields)
                return fail_memory(cli);
        if (fields)
                list_split_fields(fields, columns);
        else
                list_choose_columns(cvms, columns);
        return table_print_view(stream, &view, cvms) < 0 ? fail_memory(cli) : EXIT_OK;
}

static bool list_is_spec(const char *path)
{
        return strncmp(path, "spec", 4) == 0 && (!path[4] || path[4] == '.' || path[4] == ',');
}

/* Whether a field of CVMs' specs is shown or sorted by. */
static bool list_has_spec(const ListFormat *format)
{
        bool found = format->sort && list_is_spec(format->sort + (*format->sort == '-'));

        for (const char *field = format->fields; field && *field; field += strspn(field, ",")) {
                found = found || list_is_spec(field);
                field += strcspn(field, ",");
        }
        return found;
}

ExitStatus list_print(const Cli *cli, const ListSelection *selection, const ListFormat *format)
{
        _cleanup_json_ json_object *cvms = NULL, *sorted = NULL;
        ExitStatus status = list_select_call(cli, selection, list_has_spec(format), &cvms);

        if (!cvms)
                return status;
        sorted = format->sort ? list_sort(cvms, format->sort) : json_object_get(cvms);
        if (!sorted)
                return fail_memory(cli);
        if (format->quiet || format->lines)
                list_print_lines(format, sorted);
        else if (format->json)
                output_json(sorted);
        else if (!status.code || json_object_array_length(sorted)) /* else an error says it all */
                status = exit_first(status, list_print_table(cli, format, sorted, stdout,
                                                             output_width(stdout)));
        return status;
}

/* One frame of --watch. */
static ExitStatus list_draw(const Cli *cli, const ListSelection *selection,
                            const ListFormat *format)
{
        _cleanup_json_ json_object *cvms = NULL, *sorted = NULL;
        ExitStatus status = list_select_call(cli, selection, list_has_spec(format), &cvms);
        size_t width;
        FILE *frame;
        int r;

        if (status.code)
                return status;
        sorted = format->sort ? list_sort(cvms, format->sort) : json_object_get(cvms);
        frame = screen_begin(&width);
        if (!sorted || !frame)
                return fail_memory(cli);
        status = list_print_table(cli, format, sorted, frame, width);
        if (status.code)
                return status;
        r = screen_draw();
        return r < 0 ? fail_output(cli, r) : EXIT_OK;
}

/* Draws the table again and again until the user leaves. */
static ExitStatus list_watch(const Cli *cli, const ListSelection *selection,
                             const ListFormat *format)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        ExitStatus status = session_connect(cli, &client);
        int r;

        if (status.code)
                return status;
        r = screen_open(client);
        if (r < 0)
                return fail_local(cli, "cannot set up the screen: %s", strerror(-r));
        do {
                int64_t until = clock_monotonic_usec() + LIST_WATCH_USEC;

                status = list_draw(cli, selection, format);
                if (status.code || screen_wait(client, until) == SCREEN_LEFT)
                        break;
        } while (true);
        screen_close();
        return session_interrupted() ? session_interrupted_exit() : status;
}

static ListFormat list_format_options(const Arguments *arguments)
{
        const char *format = arguments_value(arguments, "format");
        bool json = format && strcmp(format, "json") == 0;
        bool lines = format && strcmp(format, "jsonl") == 0;

        return (ListFormat){
                .sort = arguments_value(arguments, "sort"),
                .fields = json || lines ? NULL : format,
                .json = json || (!format && arguments->cli.json),
                .lines = lines,
                .quiet = arguments_has(arguments, "quiet"),
                .watch = arguments_has(arguments, "watch"),
                .full = arguments_has(arguments, "full"),
                .no_legend = arguments_has(arguments, "no-legend"),
        };
}

static ExitStatus list_check_format(const Cli *cli, const ListFormat *format)
{
        ExitStatus status = EXIT_OK;

        if (format->quiet + (format->fields != NULL) + (cli->json || format->json) + format->lines >
            1)
                return fail_usage(cli, "--quiet, --format and --json exclude each other");
        if (format->watch && (format->quiet || format->json || format->lines))
                return fail_usage(cli, "--watch draws a table: without --quiet and JSON");
        if (format->sort)
                status = list_check_field(cli, "--sort", format->sort + (*format->sort == '-'));
        if (!status.code && format->fields)
                status = list_check_fields(cli, format->fields);
        return status;
}

ExitStatus verb_list(const Arguments *arguments)
{
        const ListFormat format = list_format_options(arguments);
        const ListSelectOptions options = list_select_options(arguments);
        _cleanup_(list_select_done) ListSelection selection = {};
        ExitStatus status = list_check_format(&arguments->cli, &format);

        if (!status.code)
                status = list_select_read(&arguments->cli, &options, &selection);
        if (status.code)
                return status;
        return format.watch && output_redraws(stdout)
                       ? list_watch(&arguments->cli, &selection, &format)
                       : list_print(&arguments->cli, &selection, &format);
}
