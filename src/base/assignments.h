/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * KEY=VALUE lines by the rules of systemd's EnvironmentFile= (systemd.exec(5)), as its own reader
 * (load_env_file() of libsystemd-shared) takes them:
 *
 * - A line ends at a line feed or a carriage return. Empty lines and lines that begin with '#' or
 *   ';' are skipped. The first character of any other line belongs to the key, whatever it is;
 *   blanks (spaces and tabs) around the key and around an unquoted value do not count.
 * - 'single quotes' keep everything between them, line ends included.
 * - "double quotes" do the same, but a backslash makes a following " \ $ or ` literal and removes a
 *   following line feed. Any other backslash stays.
 * - Quoted parts are joined, without the blanks between them; after the start of an unquoted part,
 *   quotes are literal. A value cannot be followed by a comment.
 * - In an unquoted value a backslash makes the next character literal, and removes a line end.
 * - An assignment that the end of the text cuts short counts as far as it goes.
 *
 * The caller decides which names and values are valid, and which of two assignments counts.
 */

#include "base/text.h"

typedef enum AssignmentsFault {
        ASSIGNMENTS_NO_EQUALS,  /* a line without '=': it is skipped */
        ASSIGNMENTS_OPEN_QUOTE, /* no closing quote: the value goes to the end of the text */
        ASSIGNMENTS_COMMENT,    /* the line follows a comment that ends in a backslash: it counts
                                 * for systemd 254 and later, and is a comment for earlier ones */
} AssignmentsFault;

/* Called for each assignment and each fault, in their order; `line` counts from 1. Both functions
 * return 0, or a negative value to end the reading. */
typedef struct AssignmentsSink {
        /* name: not terminated. The value may be taken out of its buffer. */
        int (*assign)(void *userdata, unsigned line, const char *name, size_t size, Buffer *value);
        int (*fault)(void *userdata, unsigned line,
                     AssignmentsFault fault); /* NULL: all the same */
} AssignmentsSink;

/* Returns 0, -ENOMEM or what ended the reading. The text may be any bytes but NUL. */
int assignments_read(const char *text, size_t size, const AssignmentsSink *sink, void *userdata);
