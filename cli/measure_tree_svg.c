/* SPDX-License-Identifier: Apache-2.0 */

/* A measurement's tree as a drawing: inputs at the left, events, registers at the right. */

#include <string.h>
#include <sys/param.h>

#include "base/text.h"
#include "measure_tree.h"
#include "svg.h"

#define DRAWING_WIDTH 1120
#define DRAWING_TOP 60
#define DRAWING_EVENT 24 /* height of a row */
#define DRAWING_NODE 48  /* the least height that an input or a register has for itself */
#define BOX_HEIGHT 36
#define INPUT_X 20
#define INPUT_WIDTH 250
#define EVENT_X 370
#define EVENT_WIDTH 360
#define REGISTER_X 850
#define REGISTER_WIDTH 250
#define EVENT_CHARACTERS 50 /* longer texts are cut */
#define BOX_CHARACTERS 30

static const char drawing_style[] =
        "text{font:13px sans-serif;fill:#222}.title{font-size:18px;font-weight:bold}"
        ".small{font-size:11px;fill:#555}.page{fill:#fff}.box{fill:#eef2f8;stroke:#8aa0c0}"
        ".value{fill:#eaf5ec;stroke:#7fae87}.none{fill:#f6f0e4;stroke:#c0a875}"
        ".event{fill:#fafafa;stroke:#ccc}.link{stroke:#8aa0c0;stroke-width:1.2}"
        ".to{stroke:#7fae87;stroke-width:1.2}";

typedef struct Drawing {
        FILE *stream;
        const MeasureTree *tree;
        double height;                                   /* of the columns */
        const MeasurementInput *inputs[REGISTER_INPUTS]; /* that an event has */
        size_t n_inputs;                                 /* without the node of what has none */
        bool constants;                                  /* there is one */
} Drawing;

static double drawing_middle(const Drawing *drawing, size_t i, size_t n)
{
        return DRAWING_TOP + ((double)i + 0.5) * drawing->height / (double)MAX(n, 1u);
}

static double drawing_input_y(const Drawing *drawing, size_t i)
{
        return drawing_middle(drawing, i, drawing->n_inputs + drawing->constants);
}

static double drawing_event_y(const Drawing *drawing, size_t i)
{
        return drawing_middle(drawing, i, drawing->tree->n);
}

static double drawing_register_y(const Drawing *drawing, const Register *reg)
{
        const Measurement *measurement = drawing->tree->measurement;

        return drawing_middle(drawing, (size_t)(reg - measurement->registers),
                              measurement->n_registers);
}

/* Of at most so many characters; newly allocated. */
static char *drawing_cut(const char *text, size_t characters)
{
        _cleanup_free_ char *safe = text_escape_control(text);
        size_t at = 0;

        if (!safe)
                return NULL;
        for (size_t n = 0; safe[at]; n++) {
                if (n == characters) {
                        safe[at] = 0;
                        return text_format("%s…", safe);
                }
                at += strnlen(safe + at, text_utf8_length((unsigned char)safe[at]));
        }
        return TAKE_PTR(safe);
}

static void drawing_box(const Drawing *drawing, const char *class, double x, double y, double width,
                        const char *name, const char *detail)
{
        _cleanup_free_ char *cut = drawing_cut(detail, BOX_CHARACTERS);

        svg_rect(drawing->stream, class, x, y - BOX_HEIGHT / 2.0, width, BOX_HEIGHT);
        svg_text(drawing->stream, "name", SVG_START, x + 8, y - 3, name);
        svg_text(drawing->stream, "small", SVG_START, x + 8, y + 12, cut ?: "");
}

static void drawing_links(const Drawing *drawing, size_t i)
{
        const TreeEvent *event = &drawing->tree->events[i];
        double y = drawing_event_y(drawing, i);

        for (size_t k = 0; k < drawing->n_inputs; k++)
                if (event->inputs & measure_tree_bit(drawing->inputs[k]))
                        svg_line(drawing->stream, "link", INPUT_X + INPUT_WIDTH,
                                 drawing_input_y(drawing, k), EVENT_X, y);
        if (event->inputs == 0)
                svg_line(drawing->stream, "link", INPUT_X + INPUT_WIDTH,
                         drawing_input_y(drawing, drawing->n_inputs), EVENT_X, y);
        for (size_t k = 0; k < event->n_uses; k++)
                svg_line(drawing->stream, "to", EVENT_X + EVENT_WIDTH, y, REGISTER_X,
                         drawing_register_y(drawing, event->uses[k].reg));
}

static void drawing_event(const Drawing *drawing, size_t i)
{
        double y = drawing_event_y(drawing, i);
        _cleanup_free_ char *text = drawing_cut(drawing->tree->events[i].what, EVENT_CHARACTERS);

        svg_rect(drawing->stream, "event", EVENT_X, y - DRAWING_EVENT / 2.0 + 2, EVENT_WIDTH,
                 DRAWING_EVENT - 4);
        svg_text(drawing->stream, "name", SVG_START, EVENT_X + 8, y + 4, text ?: "");
}

static void drawing_inputs(const Drawing *drawing)
{
        for (size_t i = 0; i < drawing->n_inputs; i++) {
                _cleanup_free_ char *value = measure_tree_input(drawing->inputs[i]);

                drawing_box(drawing, "box", INPUT_X, drawing_input_y(drawing, i), INPUT_WIDTH,
                            drawing->inputs[i]->name, value ?: "");
        }
        if (drawing->constants)
                drawing_box(drawing, "event", INPUT_X, drawing_input_y(drawing, drawing->n_inputs),
                            INPUT_WIDTH, "constants", "the same for all CVMs");
}

static void drawing_registers(const Drawing *drawing)
{
        const Measurement *measurement = drawing->tree->measurement;

        for (size_t i = 0; i < measurement->n_registers; i++) {
                const Register *reg = &measurement->registers[i];
                _cleanup_free_ char *name = measure_tree_register(reg);
                _cleanup_free_ char *hex = hash_hex(&reg->value);
                bool value = reg->state == MEASUREMENT_VALUE;

                drawing_box(drawing, value ? "value" : "none", REGISTER_X,
                            drawing_register_y(drawing, reg), REGISTER_WIDTH, name ?: "",
                            value                                 ? hex ?: ""
                            : reg->state == MEASUREMENT_NOT_GIVEN ? "not given"
                                                                  : "not predictable");
        }
}

/* Which inputs lead to an event. */
static void drawing_prepare(Drawing *drawing)
{
        const Measurement *measurement = drawing->tree->measurement;
        unsigned used = 0;

        for (size_t i = 0; i < drawing->tree->n; i++) {
                used |= drawing->tree->events[i].inputs;
                drawing->constants |= drawing->tree->events[i].inputs == 0;
        }
        for (size_t i = 0; i < measurement->n_inputs && drawing->n_inputs < REGISTER_INPUTS; i++)
                if (measure_tree_bit(&measurement->inputs[i]) & used)
                        drawing->inputs[drawing->n_inputs++] = &measurement->inputs[i];
        drawing->height = (double)MAX(
                MAX(drawing->tree->n * DRAWING_EVENT, measurement->n_registers * DRAWING_NODE),
                (drawing->n_inputs + drawing->constants) * DRAWING_NODE);
}

void measure_tree_svg(FILE *stream, const MeasureTree *tree)
{
        static const char title[] = "What leads to the registers";
        Drawing drawing = {.stream = stream, .tree = tree};
        int height;

        drawing_prepare(&drawing);
        height = (int)drawing.height + DRAWING_TOP + 20;
        svg_begin(stream, DRAWING_WIDTH, height, title, drawing_style);
        svg_rect(stream, "page", 0, 0, DRAWING_WIDTH, height);
        svg_text(stream, "title", SVG_START, INPUT_X, 28, title);
        svg_text(stream, "small", SVG_START, INPUT_X, 50, "inputs");
        svg_text(stream, "small", SVG_START, EVENT_X, 50, "events");
        svg_text(stream, "small", SVG_START, REGISTER_X, 50, "registers");
        for (size_t i = 0; i < tree->n; i++)
                drawing_links(&drawing, i);
        for (size_t i = 0; i < tree->n; i++)
                drawing_event(&drawing, i);
        drawing_inputs(&drawing);
        drawing_registers(&drawing);
        svg_end(stream);
}
