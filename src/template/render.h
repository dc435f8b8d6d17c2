/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Renders a template's command lines. */

#include "template/walk.h"

/* Renders a template's arguments and devices into walk->plan. */
int render_template(Walk *walk);
/* Renders a template's companions, and those of the shared fragment, into walk->plan. */
int render_companions(Walk *walk);
/* Adds one argument to walk->plan, within the limits. */
int render_word(Walk *walk, const char *word);
