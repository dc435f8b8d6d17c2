/* SPDX-License-Identifier: Apache-2.0 */
#include "env_file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

typedef struct EnvReader {
        const char *at, *end;
        unsigned line;
        EnvFileError *error;
} EnvReader;

static int refuse(EnvReader *reader, unsigned line, const char *reason)
{
        reader->error->line = line;
        snprintf(reader->error->reason, sizeof(reader->error->reason), "%s", reason);
        return -EBADMSG;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(EnvReader *reader)
{
        while (reader->at < reader->end && is_blank(*reader->at))
                reader->at++;
}

/* The next byte and past it; counts lines. */
static char take(EnvReader *reader)
{
        if (*reader->at == '\n')
                reader->line++;
        return *reader->at++;
}

static bool at_line_end(const EnvReader *reader)
{
        return reader->at == reader->end || *reader->at == '\n';
}

static bool is_name(const char *s, size_t length)
{
        if (length == 0 || isdigit((unsigned char)s[0]))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!isalnum((unsigned char)s[i]) && s[i] != '_')
                        return false;
        return true;
}

static int read_name(EnvReader *reader, char **ret)
{
        const char *start = reader->at;
        size_t length;

        while (!at_line_end(reader) && *reader->at != '=')
                reader->at++;
        if (at_line_end(reader))
                return refuse(reader, reader->line, "neither KEY=VALUE nor a comment");
        length = (size_t)(reader->at++ - start);
        while (length > 0 && is_blank(start[length - 1]))
                length--;
        if (!is_name(start, length))
                return refuse(reader, reader->line,
                              "the text before '=' is no variable's name (letters, digits, '_')");
        *ret = strndup(start, length);
        return *ret ? 0 : -ENOMEM;
}

/* To the end of the line; blanks at the end belong to the value only if a backslash says so. */
static int read_bare(EnvReader *reader, Buffer *value)
{
        size_t kept = 0;

        while (!at_line_end(reader)) {
                char c = take(reader);
                bool escaped = c == '\\' && reader->at < reader->end;

                if (escaped)
                        c = take(reader);
                if (escaped && c == '\n')
                        continue;
                if (buffer_append(value, &c, 1) < 0)
                        return -ENOMEM;
                if (escaped || !is_blank(c))
                        kept = value->size;
        }
        if (value->size > kept) {
                value->size = kept;
                value->data[kept] = 0;
        }
        return 0;
}

static int read_quoted(EnvReader *reader, Buffer *value)
{
        unsigned begun = reader->line;
        char quote = take(reader);

        while (reader->at < reader->end) {
                char c = take(reader);

                if (c == quote) {
                        skip_blanks(reader);
                        if (!at_line_end(reader))
                                return refuse(reader, reader->line, "text after the closing quote");
                        return 0;
                }
                if (quote == '"' && c == '\\' && reader->at < reader->end) {
                        if (*reader->at == '\n') {
                                take(reader);
                                continue;
                        }
                        if (strchr("\"\\`$", *reader->at))
                                c = take(reader);
                }
                if (buffer_append(value, &c, 1) < 0)
                        return -ENOMEM;
        }
        return refuse(reader, begun, "the quotes do not end");
}

static int read_variable(EnvReader *reader, json_object *into)
{
        _cleanup_(buffer_done) Buffer value = {};
        _cleanup_free_ char *name = NULL;
        unsigned line = reader->line;
        int r;

        r = read_name(reader, &name);
        if (r < 0)
                return r;
        skip_blanks(reader);
        if (!at_line_end(reader) && (*reader->at == '"' || *reader->at == '\''))
                r = read_quoted(reader, &value);
        else
                r = read_bare(reader, &value);
        if (r == 0 && json_member(into, name))
                r = refuse(reader, line, "a variable given twice");
        if (r == 0)
                json_object_object_add(into, name, json_new_text(value.data ?: ""));
        if (value.data)
                explicit_bzero(value.data, value.size);
        return r;
}

int env_file_parse(const char *data, size_t size, json_object *into, EnvFileError *ret_error)
{
        EnvReader reader = {.at = data, .end = data + size, .line = 1, .error = ret_error};

        if (memchr(data, 0, size))
                return refuse(&reader, 1, "a NUL byte");
        if (!text_is_utf8(data, size))
                return refuse(&reader, 1, "not valid UTF-8");
        while (reader.at < reader.end) {
                int r;

                skip_blanks(&reader);
                if (at_line_end(&reader)) {
                        if (reader.at < reader.end)
                                take(&reader);
                        continue;
                }
                if (*reader.at == '#' || *reader.at == ';') {
                        while (!at_line_end(&reader))
                                reader.at++;
                        continue;
                }
                r = read_variable(&reader, into);
                if (r < 0)
                        return r;
        }
        return 0;
}
