/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The environment that the host gives, /etc/cocos/environment, by the rules of systemd's
 * EnvironmentFile= (systemd.exec(5)):
 *
 * - KEY=VALUE, one a line; lines that are empty or begin with '#' or ';' are skipped, as are those
 *   without '='. Blanks around the key and around an unquoted value do not count.
 * - 'single quotes' keep all that is between them, line ends too.
 * - "double quotes" likewise, but a backslash before one of " \ $ ` takes its meaning, and one
 *   before a line end takes the line end away. Any other backslash stays.
 * - Quoted parts follow each other, blanks between them do not count; once an unquoted part begins,
 *   quotes stand for themselves.
 * - In an unquoted value a backslash stands before what shall be taken as it is, and takes a line
 *   end away.
 * - Names are a letter or '_' followed by letters, digits and '_'; values hold no control
 * characters but tab and line feed. Assignments that break this are left out. The last one of a
 * name counts.
 */

#include "base/macros.h"

#define ENVIRONMENT_FILE_MAX (8 << 20)

typedef struct EnvironmentVariable {
        char *name, *value; /* owned */
        size_t line;        /* where it was assigned, from 0 in the order of assignments */
} EnvironmentVariable;

typedef struct Environment {
        EnvironmentVariable *variables; /* sorted by name, each name once */
        size_t n_variables;
        size_t n_dropped; /* assignments left out because of their name or value */
} Environment;

/* Returns 0, -EBADMSG (a NUL byte, or not UTF-8: nothing of such a file counts) or -ENOMEM. */
int environment_parse(const char *text, size_t size, Environment *ret);

void environment_done(Environment *environment);
