/* SPDX-License-Identifier: Apache-2.0 */
#include "paragraph.h"

#include <langinfo.h>
#include <string.h>
#include <wchar.h>

#include "base/text.h"
#include "output.h"

size_t paragraph_text_width(const char *text)
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

size_t paragraph_width(FILE *stream)
{
        size_t width = output_width(stream) ?: PARAGRAPH_WIDTH_PIPED;

        return width < PARAGRAPH_WIDTH_MAX ? width : PARAGRAPH_WIDTH_MAX;
}

/* How many bytes of a text fit into the width; at least one character. */
static size_t paragraph_fitting(const char *text, size_t width)
{
        size_t size = 0, used = 0;

        while (text[size]) {
                size_t length = text_utf8_length((unsigned char)text[size]) ?: 1;
                _cleanup_free_ char *one = strndup(text + size, length);
                size_t more = one ? paragraph_text_width(one) : 1;

                if (size && used + more > width)
                        break;
                used += more;
                size += strnlen(text + size, length);
        }
        return size;
}

char *paragraph_finish(char *text)
{
        size_t n = strlen(PARAGRAPH_NO_BREAK);
        char *to = text;

        for (const char *from = text; from && *from; to++) {
                bool blank = strncmp(from, PARAGRAPH_NO_BREAK, n) == 0;

                *to = blank ? ' ' : *from;
                from += blank ? n : 1;
        }
        if (text)
                *to = 0;
        return text;
}

char *paragraph_elide(const char *text, size_t width)
{
        const char *mark = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "…" : "~";

        if (paragraph_text_width(text) <= width)
                return paragraph_finish(strdup(text));
        return paragraph_finish(
                text_format("%.*s%s", (int)paragraph_fitting(text, width - 1), text, mark));
}

char *paragraph_wrap(const char *text, size_t width)
{
        _cleanup_(buffer_done) Buffer lines = {};

        while (paragraph_text_width(text) > width) {
                size_t size = paragraph_fitting(text, width), end = size;

                while (end > 0 && text[end] != ' ')
                        end--;
                if (end > 0)
                        size = end;
                if (buffer_append(&lines, text, size) < 0 || buffer_append_text(&lines, "\n") < 0)
                        return NULL;
                text += size + (text[size] == ' ');
        }
        return buffer_append_text(&lines, text) < 0 ? NULL : paragraph_finish(buffer_take(&lines));
}

void paragraph_print(FILE *stream, const char *text, size_t indent, size_t used)
{
        size_t width = paragraph_width(stream);

        for (bool first = true; *text; first = false) {
                size_t size = strcspn(text, " ");
                _cleanup_free_ char *word = strndup(text, size);
                size_t columns = word ? paragraph_text_width(word) : size;

                if (!first && used + 1 + columns > width) {
                        fprintf(stream, "\n%*s", (int)indent, "");
                        used = indent;
                } else if (!first) {
                        fputc(' ', stream);
                        used++;
                }
                fprintf(stream, "%.*s", (int)size, text);
                used += columns;
                text += size;
                text += strspn(text, " ");
        }
        fputc('\n', stream);
}
