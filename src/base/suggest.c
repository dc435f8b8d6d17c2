/* SPDX-License-Identifier: Apache-2.0 */
#include "base/suggest.h"

#include <string.h>

#define LENGTH_MAX 32
#define DISTANCE_MAX 2

static size_t min3(size_t a, size_t b, size_t c)
{
        a = a < b ? a : b;
        return a < c ? a : c;
}

/* The edit distance in which a swap of neighbours counts as one (optimal string alignment). */
static size_t distance(const char *a, const char *b)
{
        size_t rows[3][LENGTH_MAX + 1], n = strlen(a), m = strlen(b);
        size_t *before = rows[0], *last = rows[1], *row = rows[2];

        if (n > LENGTH_MAX || m > LENGTH_MAX || (n > m ? n - m : m - n) > DISTANCE_MAX)
                return SIZE_MAX;
        for (size_t j = 0; j <= m; j++)
                last[j] = j;
        for (size_t i = 1; i <= n; i++) {
                size_t *oldest = before;

                row[0] = i;
                for (size_t j = 1; j <= m; j++) {
                        row[j] = min3(last[j] + 1, row[j - 1] + 1,
                                      last[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                            before[j - 2] + 1 < row[j])
                                row[j] = before[j - 2] + 1;
                }
                before = last;
                last = row;
                row = oldest;
        }
        return last[m];
}

Suggestion suggest_begin(const char *word)
{
        size_t length = strlen(word);

        /* up to a third of the word may be wrong, but at least one character and at most two */
        return (Suggestion){.word = word, .distance = length < 6 ? DISTANCE_MAX : DISTANCE_MAX + 1};
}

void suggest_candidate(Suggestion *suggestion, const char *candidate)
{
        size_t length = strlen(suggestion->word), d = distance(suggestion->word, candidate);

        /* what is cut off is near as well */
        if (length >= 3 && strncmp(suggestion->word, candidate, length) == 0)
                d = 1;
        if (d < suggestion->distance) {
                suggestion->distance = d;
                suggestion->found = candidate;
        }
}

const char *suggest_among(const char *word, const char *const *candidates, size_t n)
{
        Suggestion best = suggest_begin(word);

        for (size_t i = 0; i < n; i++)
                suggest_candidate(&best, candidates[i]);
        return best.found;
}
