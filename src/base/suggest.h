/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* "Did you mean": the candidate that is the fewest slips of the keyboard away. */

#include "base/macros.h"

typedef struct Suggestion {
        const char *word;  /* what was typed; borrowed */
        const char *found; /* the nearest candidate so far, or NULL if none is near; borrowed */
        size_t distance;
} Suggestion;

Suggestion suggest_begin(const char *word);
void suggest_candidate(Suggestion *suggestion, const char *candidate);

/* The nearest of n candidates, or NULL. Borrowed. */
const char *suggest_among(const char *word, const char *const *candidates, size_t n);
