/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A text that is shown again and again, a frame each time. On a terminal a frame is drawn over the
 * one before, by a single write and without erasing first, and is cut to the window; the terminal
 * is as terminal.h says meanwhile. Anywhere else the frames follow one another, with an empty line
 * between two.
 *
 * The key q, SIGINT, SIGTERM, SIGHUP and SIGQUIT end it. Ctrl-Z leaves the terminal as it was found
 * until the process continues. A window of another size is drawn at once.
 *
 *     screen_open(client);
 *     do {
 *             FILE *frame = screen_begin(&columns);
 *             ... fail_*() or table_print_within(frame, columns, ...)
 *             screen_draw();
 *             news = screen_wait(client, until);
 *     } while (news != SCREEN_LEFT);
 *     screen_close();
 */

#include <stdio.h>

#include "wire/client.h"

/* What ended the wait. */
typedef enum ScreenNews {
        SCREEN_DUE,   /* the time, or a window of another size */
        SCREEN_REPLY, /* the connection: a reply, or its end */
        SCREEN_LEFT,  /* the user, or nobody sees the output any more */
} ScreenNews;

/* From here on the signals above end a call on this connection (session_catch_hangups()). There is
 * one screen. Returns 0 or -errno. */
int screen_open(const WireClient *client);
/* The same where nothing is drawn, for screen_wait() alone: the terminal is let be. */
int screen_open_undrawn(const WireClient *client);
/* Leaves the terminal as it was found, which fail_*() does by itself. */
void screen_close(void);

/* Begins a frame: a stream that takes its text, of screen_draw(). ret_columns: how wide it may be,
 * 0: as wide as it likes. NULL without memory. */
FILE *screen_begin(size_t *ret_columns);
/* Ends the frame and draws it. Returns 0 or -errno of the write. */
int screen_draw(void);
/* Waits until `until` (CLOCK_MONOTONIC, microseconds) or for news. */
ScreenNews screen_wait(const WireClient *client, int64_t until);
