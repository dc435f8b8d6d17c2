/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The environment that the host gives, /etc/cocos/environment, in the syntax of base/assignments.h.
 *
 * Names are a letter or '_' followed by letters, digits and '_'; values hold no control characters
 * but tab and line feed. Assignments that break this are left out. The last one of a name counts.
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
