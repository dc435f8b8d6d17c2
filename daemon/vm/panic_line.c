/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/panic_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define PANIC "Kernel panic - not syncing: "

/* Skips a pair of brackets with only the characters of times and callers between them. Returns `at`
 * if there is none. */
static const char *skip_brackets(const char *at, const char *end)
{
        const char *p = at;

        if (p == end || *p++ != '[')
                return at;
        while (p < end &&
               (*p == ' ' || *p == '.' || *p == 'T' || *p == 'C' || (*p >= '0' && *p <= '9')))
                p++;
        return p < end && *p == ']' ? p + 1 : at;
}

/* The text of the line that is complete now, or NULL. */
static char *panic_text(const PanicLine *line)
{
        const char *p = line->data, *end = line->data + line->size;

        p = skip_brackets(p, end);
        p = skip_brackets(p, end);
        if (p > line->data && (p == end || *p++ != ' '))
                return NULL;
        if (end - p < (ptrdiff_t)strlen(PANIC) || memcmp(p, PANIC, strlen(PANIC)) != 0)
                return NULL;
        if (end[-1] == '\r')
                end--;
        return text_make_utf8(p, (size_t)(end - p));
}

char *panic_line_feed(PanicLine *line, const char *data, size_t size)
{
        while (size) {
                const char *newline = memchr(data, '\n', size);
                size_t piece = newline ? (size_t)(newline - data) : size;
                size_t space = PANIC_LINE_MAX - line->size;
                char *text;

                memcpy(line->data + line->size, data, piece < space ? piece : space);
                line->size += piece < space ? piece : space;
                if (!newline)
                        return NULL;
                text = panic_text(line);
                line->size = 0;
                if (text)
                        return text;
                data += piece + 1;
                size -= piece + 1;
        }
        return NULL;
}
