/* SPDX-License-Identifier: Apache-2.0 */
#include "svg.h"

#include <string.h>

#include "base/text.h"

static const char *svg_entity(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&apos;";
        default:
                return NULL;
        }
}

static void svg_escaped(FILE *stream, const char *text)
{
        _cleanup_free_ char *safe = text_escape_control(text);
        size_t size = safe ? strlen(safe) : 0;
        uint32_t point;

        for (size_t i = 0, length; i < size; i += length) {
                const char *entity = svg_entity(safe[i]);

                length = text_utf8_point(safe + i, size - i, &point) ?: 1;
                if (entity)
                        fputs(entity, stream);
                else if (point == 0xfffe || point == 0xffff)
                        fputs("\xef\xbf\xbd", stream);
                else
                        fwrite(safe + i, 1, length, stream);
        }
}

void svg_begin(FILE *stream, int width, int height, const char *title, const char *style)
{
        fprintf(stream,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
                "height=\"%d\" viewBox=\"0 0 %d %d\">\n<title>",
                width, height, width, height);
        svg_escaped(stream, title);
        fprintf(stream, "</title>\n<style>%s</style>\n", style);
}

void svg_end(FILE *stream)
{
        fputs("</svg>\n", stream);
}

void svg_rect(FILE *stream, const char *class, double x, double y, double width, double height)
{
        fprintf(stream,
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                class, x, y, width, height);
}

void svg_line(FILE *stream, const char *class, double x1, double y1, double x2, double y2)
{
        fprintf(stream, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                class, x1, y1, x2, y2);
}

void svg_text(FILE *stream, const char *class, SvgAnchor anchor, double x, double y,
              const char *text)
{
        static const char *const anchors[] = {"start", "middle", "end"};

        fprintf(stream, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", class,
                anchors[anchor], x, y);
        svg_escaped(stream, text);
        fputs("</text>\n", stream);
}
