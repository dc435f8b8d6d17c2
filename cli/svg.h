/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Drawings as SVG 1.1: one file without scripts, links and fonts of its own, which any browser
 * shows. Texts are escaped; what XML 1.0 does not allow in a document (section 2.2) is escaped as
 * on a terminal. Lengths are pixels.
 */

#include <stdio.h>

#include "base/macros.h"

typedef enum SvgAnchor { SVG_START, SVG_MIDDLE, SVG_END } SvgAnchor;

/* A paragraph of CSS is the drawing's style; class names below refer to it. title: what a browser
 * shows as the drawing's name. */
void svg_begin(FILE *stream, int width, int height, const char *title, const char *style);
void svg_end(FILE *stream);
void svg_rect(FILE *stream, const char *class, double x, double y, double width, double height);
void svg_line(FILE *stream, const char *class, double x1, double y1, double x2, double y2);
/* y: of the base line. */
void svg_text(FILE *stream, const char *class, SvgAnchor anchor, double x, double y,
              const char *text);
