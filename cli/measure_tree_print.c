/* SPDX-License-Identifier: Apache-2.0 */

/* A measurement's tree as text. */

#include <string.h>
#include <sys/param.h>

#include "base/text.h"
#include "measure_tree.h"
#include "output.h"

#define TREE_ROOM_MIN 16 /* columns that a text has at least, however deep it is */
#define DIGEST_MIN 8     /* digits of a digest that is elided */

#define TREE_DIM "\033[2m"

typedef struct TreeSigns {
        const char *branch, *last, *down, *none, *elided;
} TreeSigns;

static const TreeSigns tree_utf8 = {"├─ ", "└─ ", "│  ", "   ", "…"};
static const TreeSigns tree_ascii = {"|- ", "`- ", "|  ", "   ", "~"};

typedef struct TreePrint {
        FILE *stream;
        const MeasureTree *tree;
        const TreeLook *look;
        const TreeSigns *signs;
} TreePrint;

/* Characters; a wide one counts once, of which the measured texts have none. */
static size_t tree_width(const char *text)
{
        size_t n = 0;

        for (; *text; text++)
                n += (*text & 0xc0) != 0x80;
        return n;
}

/* The bytes of the line that fits: up to a blank if there is one. */
static size_t tree_fitting(const char *text, size_t room)
{
        size_t blank = 0, at = 0;

        for (size_t n = 0; text[at]; n++) {
                if (n == room)
                        return blank ?: at;
                if (text[at] == ' ' && n > 0)
                        blank = at;
                for (at++; (text[at] & 0xc0) == 0x80;)
                        at++;
        }
        return at;
}

/* What a line has for a text behind its branch. */
static size_t tree_room(const TreePrint *print, const char *branch)
{
        size_t width = print->look->width, used = tree_width(branch);

        if (width == 0)
                return SIZE_MAX;
        return width > used + TREE_ROOM_MIN ? width - used : TREE_ROOM_MIN;
}

/* A text of any length behind its branch, wrapped; `rest` is the branch of further lines. */
static void tree_text(const TreePrint *print, const char *branch, const char *rest,
                      const char *style, const char *text)
{
        _cleanup_free_ char *safe = text_escape_control(text);
        const char *line = safe ?: "-";

        do {
                size_t size = tree_fitting(line, tree_room(print, branch));

                fprintf(print->stream, "%s%s%.*s%s\n", branch, print->look->colour ? style : "",
                        (int)size, line, print->look->colour ? OUTPUT_PLAIN : "");
                line += size;
                line += *line == ' ';
                branch = rest;
        } while (*line);
}

/* "NAME HEX", with as many digits as fit. */
static void tree_digest(const TreePrint *print, const char *branch, const char *style,
                        const char *name, const char *hex)
{
        size_t used = tree_width(branch) + tree_width(name) + 1, size = strlen(hex);
        const char *mark = "";

        if (print->look->width && used + size > print->look->width) {
                size = print->look->width > used + DIGEST_MIN + 1 ? print->look->width - used - 1
                                                                  : DIGEST_MIN;
                mark = print->signs->elided;
        }
        fprintf(print->stream, "%s%s%s%s%s%.*s%s\n", branch, print->look->colour ? style : "", name,
                print->look->colour ? OUTPUT_PLAIN : "", *hex ? " " : "", (int)size, hex, mark);
}

static void tree_use(const TreePrint *print, const char *indent, const TreeUse *use, bool last)
{
        const MeasurementEvent *event = &use->reg->events[use->number - 1];
        _cleanup_free_ char *hex = event->has_digest ? hash_hex(&event->digest) : NULL;
        _cleanup_free_ char *reg = measure_tree_register(use->reg);
        _cleanup_free_ char *name = reg ? text_format("%s, event %zu", reg, use->number) : NULL;
        _cleanup_free_ char *branch =
                text_format("%s%s", indent, last ? print->signs->last : print->signs->branch);

        if (name && branch)
                tree_digest(print, branch, "", name, hex ?: "");
}

static void tree_event(const TreePrint *print, const TreeEvent *event, bool last)
{
        const char *indent = last ? print->signs->none : print->signs->down;
        _cleanup_free_ char *rest = text_format("%s%s", indent, print->signs->down);

        tree_text(print, last ? print->signs->last : print->signs->branch, rest ?: "", "",
                  event->what);
        for (size_t i = 0; i < event->n_uses; i++)
                tree_use(print, indent, &event->uses[i], i + 1 == event->n_uses);
}

/* The events of an input, or with 0 those that are made from none. */
static bool tree_is_below(const TreeEvent *event, unsigned bit)
{
        return bit ? event->inputs & bit : event->inputs == 0;
}

static void tree_events(const TreePrint *print, unsigned bit)
{
        const MeasureTree *tree = print->tree;
        size_t left = 0;

        for (size_t i = 0; i < tree->n; i++)
                left += tree_is_below(&tree->events[i], bit);
        for (size_t i = 0; i < tree->n; i++)
                if (tree_is_below(&tree->events[i], bit))
                        tree_event(print, &tree->events[i], --left == 0);
}

static bool tree_has_below(const MeasureTree *tree, unsigned bit)
{
        for (size_t i = 0; i < tree->n; i++)
                if (tree_is_below(&tree->events[i], bit))
                        return true;
        return false;
}

static void tree_input(const TreePrint *print, const MeasurementInput *input)
{
        unsigned bit = measure_tree_bit(input);
        _cleanup_free_ char *value = measure_tree_input(input);
        _cleanup_free_ char *line = value ? text_format("%s: %s", input->name, value) : NULL;
        char *hex = line && !input->text ? strrchr(line, ' ') : NULL;
        bool below = bit && tree_has_below(print->tree, bit);

        if (hex) {
                *hex = 0;
                tree_digest(print, "", OUTPUT_BOLD, line, hex + 1);
        } else {
                tree_text(print, "", below ? print->signs->down : print->signs->none, OUTPUT_BOLD,
                          line ?: "-");
        }
        if (below)
                tree_events(print, bit);
}

static void tree_register(const TreePrint *print, const Register *reg, bool last)
{
        const char *indent = last ? print->signs->none : print->signs->down;
        const char *branch = last ? print->signs->last : print->signs->branch;
        _cleanup_free_ char *name = measure_tree_register(reg);
        _cleanup_free_ char *hex = hash_hex(&reg->value), *line = NULL;

        if (!name || !hex)
                return;
        if (reg->state == MEASUREMENT_VALUE)
                tree_digest(print, branch, "", name, hex);
        else
                line = text_format("%s %s", name,
                                   reg->state == MEASUREMENT_NOT_GIVEN ? "not given"
                                                                       : "not predictable");
        if (line)
                tree_text(print, branch, indent, "", line);
        if (reg->reason)
                tree_text(print, indent, indent, TREE_DIM, reg->reason);
}

void measure_tree_print(FILE *stream, const MeasureTree *tree, const TreeLook *look)
{
        const TreePrint print = {stream, tree, look, look->utf8 ? &tree_utf8 : &tree_ascii};
        const Measurement *measurement = tree->measurement;

        for (size_t i = 0; i < measurement->n_inputs; i++)
                tree_input(&print, &measurement->inputs[i]);
        if (tree_has_below(tree, 0)) {
                tree_text(&print, "", print.signs->down, OUTPUT_BOLD, "the same for all CVMs");
                tree_events(&print, 0);
        }
        if (tree->n_omitted)
                fprintf(stream, "and %zu more events\n", tree->n_omitted);
        tree_text(&print, "", print.signs->down, OUTPUT_BOLD, "Registers");
        for (size_t i = 0; i < measurement->n_registers; i++)
                tree_register(&print, &measurement->registers[i],
                              i + 1 == measurement->n_registers);
}
