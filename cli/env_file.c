/* SPDX-License-Identifier: Apache-2.0 */
#include "env_file.h"

#include <stdio.h>
#include <string.h>

#include "base/assignments.h"
#include "base/json.h"

typedef struct EnvFile {
        json_object *into;
        EnvFileError *error;
} EnvFile;

static int env_file_refuse(EnvFileError *error, unsigned line, const char *reason)
{
        error->line = line;
        snprintf(error->reason, sizeof(error->reason), "%s", reason);
        return -EBADMSG;
}

static bool is_name(const char *s, size_t length)
{
        static const char allowed[] =
                "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

        if (length == 0 || (s[0] >= '0' && s[0] <= '9'))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!memchr(allowed, s[i], strlen(allowed)))
                        return false;
        return true;
}

static int on_assignment(void *userdata, unsigned line, const char *name, size_t size,
                         Buffer *value)
{
        EnvFile *file = userdata;
        _cleanup_free_ char *copy = NULL;
        json_object *text;

        if (!is_name(name, size))
                return env_file_refuse(file->error, line,
                                       "the text before '=' is not a valid variable name (letters, "
                                       "digits and '_', not beginning with a digit)");
        if (!text_is_utf8(value->data, value->size))
                return env_file_refuse(file->error, line, "the value is not valid UTF-8");
        copy = strndup(name, size);
        text = json_object_new_string_len(value->data ?: "", (int)value->size);
        if (!copy || !text) {
                json_object_put(text);
                return -ENOMEM;
        }
        json_clear_strings(json_member(file->into, copy));
        json_object_object_add(file->into, copy, text);
        return 0;
}

static int on_fault(void *userdata, unsigned line, AssignmentsFault fault)
{
        static const char *const reasons[] = {
                [ASSIGNMENTS_NO_EQUALS] = "neither KEY=VALUE nor a comment",
                [ASSIGNMENTS_OPEN_QUOTE] = "the quotes that begin here are not closed",
                [ASSIGNMENTS_COMMENT] =
                        ("the comment above ends in a backslash: systemd before 254 treats this "
                         "line as part of the comment, later versions do not"),
        };
        EnvFile *file = userdata;

        return env_file_refuse(file->error, line, reasons[fault]);
}

static unsigned line_of(const char *data, const char *at)
{
        unsigned line = 1;

        for (; data < at; data++)
                line += *data == '\n';
        return line;
}

int env_file_parse(const char *data, size_t size, json_object *into, EnvFileError *ret_error)
{
        static const AssignmentsSink sink = {on_assignment, on_fault};
        static const char mark[] = "\xef\xbb\xbf";
        const char *nul = size ? memchr(data, 0, size) : NULL;

        if (size >= strlen(mark) && memcmp(data, mark, strlen(mark)) == 0)
                return env_file_refuse(
                        ret_error, 1,
                        "the file begins with a byte order mark: save it as UTF-8 without "
                        "one");
        if (nul)
                return env_file_refuse(ret_error, line_of(data, nul),
                                       "a NUL byte: the file must be text in UTF-8");
        return assignments_read(data, size, &sink, &(EnvFile){into, ret_error});
}
