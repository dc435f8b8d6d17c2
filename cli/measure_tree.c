/* SPDX-License-Identifier: Apache-2.0 */
#include "measure_tree.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

void measure_tree_done(MeasureTree *tree)
{
        for (size_t i = 0; i < tree->n; i++)
                free(tree->events[i].uses);
        free(tree->events);
        *tree = (MeasureTree){};
}

char *measure_tree_register(const Register *reg)
{
        if (strncmp(reg->name, "PCR", 3) != 0)
                return strdup(reg->name);
        return text_format("%s-%s", reg->name, hash_name(reg->value.algorithm));
}

char *measure_tree_input(const MeasurementInput *input)
{
        _cleanup_free_ char *sha256 = NULL;

        if (input->text)
                return strdup(input->text);
        sha256 = text_hex(input->digests.sha256, SHA256_SIZE);
        if (!sha256)
                return NULL;
        if (input->sha256_only)
                return text_format("sha256 %s", sha256);
        return text_format("%" PRIu64 " bytes, sha256 %s", input->size, sha256);
}

unsigned measure_tree_bit(const MeasurementInput *input)
{
        for (size_t bit = 0; bit < REGISTER_INPUTS; bit++)
                if (strcmp(input->name, register_input_name(bit)) == 0)
                        return 1u << bit;
        return 0;
}

static unsigned measure_tree_bits(const Measurement *measurement)
{
        unsigned bits = 0;

        for (size_t i = 0; i < measurement->n_inputs; i++)
                bits |= measure_tree_bit(&measurement->inputs[i]);
        return bits;
}

/* An equal event that this register does not have yet, or a new one; NULL without memory. */
static TreeEvent *measure_tree_event(MeasureTree *tree, const Register *reg, const char *what,
                                     unsigned inputs)
{
        TreeEvent *events;

        for (size_t i = 0; i < tree->n; i++) {
                TreeEvent *event = &tree->events[i];

                if (event->inputs == inputs && event->uses[event->n_uses - 1].reg != reg &&
                    strcmp(event->what, what) == 0)
                        return event;
        }
        events = reallocarray(tree->events, tree->n + 1, sizeof(*events));
        if (!events)
                return NULL;
        tree->events = events;
        events[tree->n] = (TreeEvent){.what = what, .inputs = inputs};
        return &events[tree->n++];
}

static int measure_tree_add(MeasureTree *tree, const Register *reg, size_t number, unsigned known)
{
        const MeasurementEvent *from = &reg->events[number - 1];
        TreeEvent *event = measure_tree_event(tree, reg, from->what, from->inputs & known);
        TreeUse *uses = event ? reallocarray(event->uses, event->n_uses + 1, sizeof(*uses)) : NULL;

        if (!uses) {
                if (event && event->n_uses == 0)
                        tree->n--;
                return -ENOMEM;
        }
        event->uses = uses;
        uses[event->n_uses++] = (TreeUse){reg, number};
        return 0;
}

int measure_tree_make(const Measurement *measurement, MeasureTree *ret)
{
        MeasureTree tree = {.measurement = measurement};
        unsigned known = measure_tree_bits(measurement);
        size_t seen = 0;
        int r = 0;

        for (size_t i = 0; i < measurement->n_registers; i++) {
                const Register *reg = &measurement->registers[i];

                for (size_t number = 1; r == 0 && number <= reg->n_events; number++)
                        if (seen++ < TREE_EVENTS_MAX)
                                r = measure_tree_add(&tree, reg, number, known);
                        else
                                tree.n_omitted++;
        }
        if (r < 0)
                measure_tree_done(&tree);
        else
                *ret = tree;
        return r;
}
