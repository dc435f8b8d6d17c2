/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How the inputs of a measurement lead to its registers: input, event, register. An event that
 * several registers have (as PCRs of two banks) is there once, with a use for each of them; an
 * event that is made from several inputs is shown below each of them.
 */

#include <stdio.h>

#include "measure/measurement.h"

typedef struct TreeUse {
        const Register *reg;
        size_t number; /* of the event among the register's, from 1 */
} TreeUse;

typedef struct TreeEvent {
        const char *what; /* borrowed, not escaped */
        unsigned inputs;  /* RegisterInput, only such as the measurement has; 0: constant */
        TreeUse *uses;
        size_t n_uses;
} TreeEvent;

#define TREE_EVENTS_MAX 4096 /* further ones are only counted */

typedef struct MeasureTree {
        const Measurement *measurement; /* borrowed */
        TreeEvent *events;              /* in the order in which registers have them first */
        size_t n, n_omitted;
} MeasureTree;

/* 0 or -ENOMEM. */
int measure_tree_make(const Measurement *measurement, MeasureTree *ret);
void measure_tree_done(MeasureTree *tree);
/* "RTMR1", "PCR4-sha256": newly allocated. */
char *measure_tree_register(const Register *reg);
/* "6246912 bytes, sha256 8d39…", or the text that was given: newly allocated. */
char *measure_tree_input(const MeasurementInput *input);
/* Which RegisterInput it is; 0: none. */
unsigned measure_tree_bit(const MeasurementInput *input);

typedef struct TreeLook {
        size_t width; /* columns that lines are fitted to; 0: not fitted */
        bool utf8;    /* else ASCII */
        bool colour;
} TreeLook;

/* The tree as text, then the registers and what they must show. */
void measure_tree_print(FILE *stream, const MeasureTree *tree, const TreeLook *look);
/* As a drawing. */
void measure_tree_svg(FILE *stream, const MeasureTree *tree);
