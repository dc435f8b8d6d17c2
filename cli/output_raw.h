/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes of a guest: exactly as they are, or, for a terminal, as text that cannot control it.
 *
 * Of the latter, sequences that are known to print nothing (ECMA-48 control sequences and strings,
 * and those of xterm with two bytes) are left out. The bytes of each other character that
 * text_is_control() names, but for line ends and tabs, and of what is not UTF-8 come as \xNN. The
 * state holds what a piece left unfinished.
 */

#include <stdio.h>

#include "base/macros.h"

#define OUTPUT_SEQUENCE_MAX 256 /* bytes of a sequence that is left out; longer ones are shown */

typedef struct OutputRaw {
        FILE *stream; /* NULL: stdout */
        bool escape;
        bool carriage_return; /* seen last, not printed yet */
        bool within_line;     /* what was printed last is not a line end */
        char held[4];         /* the start of a character, not printed yet */
        size_t n_held;
        char sequence[OUTPUT_SEQUENCE_MAX]; /* the start of a sequence, from its ESC on */
        size_t n_sequence;
} OutputRaw;

void output_raw(OutputRaw *state, const void *data, size_t size);
/* Prints what is unfinished, and ends the last line. */
void output_raw_end(OutputRaw *state);
