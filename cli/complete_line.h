/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A command line that is not complete: its words up to the one that is typed, taken apart as far as
 * they can be, without refusing anything (arguments.h refuses).
 */

#include "arguments.h"

typedef struct CompleteLine {
        Cli cli; /* with the socket that the line has */
        char **words;
        size_t n_words;        /* owned, without quotes; the last one is typed */
        const Verb *verb;      /* NULL: not typed yet */
        bool unknown;          /* what should be a verb is none */
        bool ended;            /* "--" was typed: no further options */
        const Option *option;  /* whose value is typed, or NULL */
        size_t prefix;         /* bytes of the last word before that value */
        const Option **given;  /* the options before the last word */
        const char **operands; /* of the verb, before the last word; borrowed */
        size_t n_given, n_operands;
} CompleteLine;

/* words: without the program. quoted: as in the shell's line, with quotes and backslashes. Returns
 * 0 or -ENOMEM. */
int complete_line_new(const Cli *cli, const char *const *words, size_t n, bool quoted,
                      CompleteLine *ret);
void complete_line_done(CompleteLine *line);

/* The word that is typed; "" if there is none. */
const char *complete_line_last(const CompleteLine *line);
bool complete_line_has_option(const CompleteLine *line, const Option *option);
bool complete_line_has_operand(const CompleteLine *line, const char *operand);
