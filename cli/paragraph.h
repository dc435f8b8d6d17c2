/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text that is fitted to columns of a terminal: its width, wrapped at words, elided. A no-break
 * space (U+00A0) in a text keeps two words together; it is printed as a space. */

#include <stdio.h>

#include "base/macros.h"

#define PARAGRAPH_NO_BREAK "\u00a0"
#define PARAGRAPH_WIDTH_PIPED 80 /* lines of what is wrapped in a pipe or file, too */
#define PARAGRAPH_WIDTH_MAX 100  /* longer lines are hard to read */

/* The columns that a text takes on a terminal. */
size_t paragraph_text_width(const char *text);

/* The width to which texts are wrapped: that of the terminal, or PARAGRAPH_WIDTH_PIPED, and at most
 * PARAGRAPH_WIDTH_MAX. */
size_t paragraph_width(FILE *stream);

/* Replaces no-break spaces by spaces, in place, as the next two do in their copies. */
char *paragraph_finish(char *text);

/* A copy with line breaks, between words if there are any; no line is wider unless its only
 * character is. NULL without memory. */
char *paragraph_wrap(const char *text, size_t width);

/* A copy whose last character that fits is "…", or "~" if the locale is not UTF-8. NULL without
 * memory. */
char *paragraph_elide(const char *text, size_t width);

/* Prints text and a line end, wrapped to paragraph_width(). `used` columns of the first line are
 * printed already; further lines are indented by `indent`. Words that are longer than a line are
 * not broken. */
void paragraph_print(FILE *stream, const char *text, size_t indent, size_t used);
