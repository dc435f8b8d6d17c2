/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assignments.h"

#include <string.h>

typedef struct Reader {
        const char *next, *end;
        unsigned line;
        const AssignmentsSink *sink;
        void *userdata;
} Reader;

static bool is_line_end(char c)
{
        return c == '\n' || c == '\r';
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static bool assignments_at_end(const Reader *reader)
{
        return reader->next == reader->end;
}

/* The next byte and past it; counts lines, of which "\r\n" ends one. */
static char assignments_take(Reader *reader)
{
        if (*reader->next == '\n')
                reader->line++;
        return *reader->next++;
}

static int report(Reader *reader, unsigned line, AssignmentsFault fault)
{
        return reader->sink->fault ? reader->sink->fault(reader->userdata, line, fault) : 0;
}

static bool next_line_says_something(const Reader *reader)
{
        const char *p = reader->next;

        while (p < reader->end && is_blank(*p))
                p++;
        return p < reader->end && !is_line_end(*p) && *p != '#' && *p != ';';
}

static int skip_comment(Reader *reader)
{
        while (!assignments_at_end(reader)) {
                char c = assignments_take(reader);
                bool escaped = c == '\\' && !assignments_at_end(reader);

                if (escaped)
                        c = assignments_take(reader);
                if (!is_line_end(c))
                        continue;
                return escaped && next_line_says_something(reader)
                               ? report(reader, reader->line, ASSIGNMENTS_COMMENT)
                               : 0;
        }
        return 0;
}

/* The key, up to and with its '='. Returns 1 with it, 0 for a line that has none. */
static int read_key(Reader *reader, const char **ret, size_t *ret_size)
{
        const char *start = reader->next++, *end;

        while (!assignments_at_end(reader) && *reader->next != '=' && !is_line_end(*reader->next))
                reader->next++;
        if (assignments_at_end(reader) || is_line_end(*reader->next))
                return report(reader, reader->line, ASSIGNMENTS_NO_EQUALS);
        end = reader->next++;
        while (end > start && is_blank(end[-1]))
                end--;
        *ret = start;
        *ret_size = (size_t)(end - start);
        return 1;
}

/* A quoted part, after its opening quote, up to and with its closing one. */
static int read_quoted(Reader *reader, char quote, Buffer *value)
{
        unsigned line = reader->line;

        while (!assignments_at_end(reader)) {
                char c = assignments_take(reader);

                if (c == quote)
                        return 0;
                if (c == '\\' && quote == '"') {
                        if (assignments_at_end(reader))
                                break;
                        if (*reader->next == '\n') {
                                assignments_take(reader);
                                continue;
                        }
                        if (strchr("\"\\$`", *reader->next))
                                c = assignments_take(reader);
                }
                if (buffer_append(value, &c, 1) < 0)
                        return -ENOMEM;
        }
        return report(reader, line, ASSIGNMENTS_OPEN_QUOTE);
}

/* The value, up to and with the end of its line. */
static int read_value(Reader *reader, Buffer *value)
{
        bool unquoted = false; /* in the unquoted part, which is the last one */
        size_t keep = 0;       /* length without the blanks at the end that do not count */

        while (!assignments_at_end(reader)) {
                char c = assignments_take(reader);
                int r = 0;

                if (is_line_end(c))
                        break;
                if (!unquoted && (c == '\'' || c == '"')) {
                        r = read_quoted(reader, c, value);
                        keep = value->size;
                } else if (c == '\\') {
                        unquoted = true;
                        if (!assignments_at_end(reader)) {
                                c = assignments_take(reader);
                                if (!is_line_end(c))
                                        r = buffer_append(value, &c, 1);
                        }
                        keep = value->size;
                } else if (unquoted || !is_blank(c)) {
                        unquoted = true;
                        r = buffer_append(value, &c, 1);
                        if (!is_blank(c))
                                keep = value->size;
                }
                if (r != 0)
                        return r;
        }
        if (value->data)
                value->data[keep] = 0;
        value->size = keep;
        return 0;
}

static int read_assignment(Reader *reader)
{
        _cleanup_(buffer_done) Buffer value = {};
        unsigned line = reader->line;
        const char *name = NULL;
        size_t size = 0;
        int r;

        r = read_key(reader, &name, &size);
        if (r <= 0)
                return r;
        r = read_value(reader, &value);
        return r ?: reader->sink->assign(reader->userdata, line, name, size, &value);
}

int assignments_read(const char *text, size_t size, const AssignmentsSink *sink, void *userdata)
{
        Reader reader = {text, text + size, 1, sink, userdata};
        int r = 0;

        while (r == 0 && !assignments_at_end(&reader)) {
                if (is_blank(*reader.next) || is_line_end(*reader.next))
                        assignments_take(&reader);
                else if (*reader.next == '#' || *reader.next == ';')
                        r = skip_comment(&reader);
                else
                        r = read_assignment(&reader);
        }
        return r;
}
