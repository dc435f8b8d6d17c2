/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The terminal of a verb that draws on all of it: the other screen instead of the shell's, without
 * cursor, without line wrapping, and with input that comes key by key and is not echoed. Signals of
 * the keyboard stay.
 *
 * terminal_leave() restores what terminal_enter() found; each fail_*() function calls it, so that
 * a message is on the screen that the user returns to.
 */

#include "base/macros.h"

/* Enters, also again after terminal_leave(). standard output must be a terminal (output_redraws());
 * if standard input is not one, only the screen is changed. */
void terminal_enter(void);
/* Sets up the input again, and the screen too if it was left: for a process that continues after it
 * was stopped. */
void terminal_continue(void);
/* Does nothing if it was not entered. */
void terminal_leave(void);
