/* SPDX-License-Identifier: Apache-2.0 */
#include "output_raw.h"

#include <string.h>

#include "base/text.h"

#define ESC 0x1b
#define BEL 0x07

typedef enum SequenceState {
        SEQUENCE_UNFINISHED,
        SEQUENCE_WHOLE,
        SEQUENCE_UNKNOWN,
} SequenceState;

static bool is_between(char c, char first, char last)
{
        return c >= first && c <= last;
}

/* After "ESC [": parameters, intermediate bytes and the final one (ECMA-48, 5.4). */
static SequenceState sequence_of_control(const char *bytes, size_t size)
{
        size_t i = 0;

        while (i < size && is_between(bytes[i], '0', '?'))
                i++;
        while (i < size && is_between(bytes[i], ' ', '/'))
                i++;
        if (i == size)
                return SEQUENCE_UNFINISHED;
        return is_between(bytes[i], '@', '~') ? SEQUENCE_WHOLE : SEQUENCE_UNKNOWN;
}

/* After "ESC ]" and the like: text up to BEL or "ESC \\" (ECMA-48, 5.6; xterm). */
static SequenceState sequence_of_string(const char *bytes, size_t size)
{
        char last = size ? bytes[size - 1] : 0, before = size > 1 ? bytes[size - 2] : 0;

        if (last == BEL || (before == ESC && last == '\\'))
                return SEQUENCE_WHOLE;
        if (before == ESC || (size && last != ESC && is_between(last, 0, '\x1f')))
                return SEQUENCE_UNKNOWN;
        return SEQUENCE_UNFINISHED;
}

/* bytes: from the ESC on; what was before the last byte is unfinished. */
static SequenceState sequence_look(const char *bytes, size_t size)
{
        if (size < 2)
                return SEQUENCE_UNFINISHED;
        if (bytes[1] == '[')
                return sequence_of_control(bytes + 2, size - 2);
        if (strchr("]PX^_", bytes[1]) && bytes[1])
                return sequence_of_string(bytes + 2, size - 2);
        if (strchr("()*+#%", bytes[1]) && bytes[1]) /* a character set, and one byte more */
                return size == 2                        ? SEQUENCE_UNFINISHED
                       : is_between(bytes[2], '0', '~') ? SEQUENCE_WHOLE
                                                        : SEQUENCE_UNKNOWN;
        return strchr("78=>DEHMNOZc", bytes[1]) && bytes[1] ? SEQUENCE_WHOLE : SEQUENCE_UNKNOWN;
}

static void raw_put(OutputRaw *state, const char *bytes, size_t size)
{
        fwrite(bytes, 1, size, state->stream ?: stdout);
        if (size)
                state->within_line = bytes[size - 1] != '\n';
}

static void raw_escape(OutputRaw *state)
{
        for (size_t i = 0; i < state->n_held; i++) {
                char text[sizeof("\\xNN")];

                snprintf(text, sizeof(text), "\\x%02x", (unsigned char)state->held[i]);
                raw_put(state, text, sizeof(text) - 1);
        }
        state->n_held = 0;
}

/* A whole character, or bytes that are none. */
static void raw_print(OutputRaw *state)
{
        uint32_t point;

        if (text_utf8_point(state->held, state->n_held, &point) != state->n_held ||
            (text_is_control(point) && point != '\n' && point != '\t')) {
                raw_escape(state);
                return;
        }
        raw_put(state, state->held, state->n_held);
        state->n_held = 0;
}

/* A byte that is not part of a sequence. */
static void raw_add(OutputRaw *state, char c)
{
        if (state->carriage_return && c != '\n')
                raw_put(state, "\\x0d", strlen("\\x0d"));
        if (state->n_held && (c & 0xc0) != 0x80)
                raw_escape(state);
        state->carriage_return = c == '\r';
        if (state->carriage_return)
                return;
        state->held[state->n_held++] = c;
        if (state->n_held == text_utf8_length((unsigned char)state->held[0]))
                raw_print(state);
}

/* What looked like a sequence is shown. Its first byte is the only ESC that is not looked at
 * again. */
static void raw_give_up_sequence(OutputRaw *state)
{
        char bytes[OUTPUT_SEQUENCE_MAX];
        size_t n = state->n_sequence;

        memcpy(bytes, state->sequence, n);
        state->n_sequence = 0;
        raw_add(state, bytes[0]);
        output_raw(state, bytes + 1, n - 1);
}

void output_raw(OutputRaw *state, const void *data, size_t size)
{
        const char *bytes = data;

        if (!state->escape) {
                raw_put(state, data, size);
                return;
        }
        for (size_t i = 0; i < size; i++) {
                SequenceState look;

                if (!state->n_sequence && bytes[i] != ESC) {
                        raw_add(state, bytes[i]);
                        continue;
                }
                state->sequence[state->n_sequence++] = bytes[i];
                look = sequence_look(state->sequence, state->n_sequence);
                if (look == SEQUENCE_WHOLE)
                        state->n_sequence = 0;
                else if (look == SEQUENCE_UNKNOWN || state->n_sequence == OUTPUT_SEQUENCE_MAX)
                        raw_give_up_sequence(state);
        }
}

void output_raw_end(OutputRaw *state)
{
        while (state->n_sequence)
                raw_give_up_sequence(state);
        raw_escape(state);
        if (state->within_line)
                raw_put(state, "\n", 1);
}
