/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Environment files in the syntax of systemd's EnvironmentFile= (base/assignments.h).
 *
 * A file is taken as systemd takes it or not at all: what systemd leaves out with no more than a
 * warning, and what its versions read differently, is refused.
 */

#include <json-c/json.h>

#include "base/macros.h"

typedef struct EnvFileError {
        unsigned line; /* from 1 */
        char reason[160];
} EnvFileError;

/* Adds each variable to `into`, an object of strings; the last assignment of a name counts. Returns
 * 0, -ENOMEM, or -EBADMSG with ret_error: a byte order mark, a NUL byte, a line without '=', a name
 * that is not one, a value that is not UTF-8, quotes that are not closed, or a line that some
 * versions of systemd take for a comment. */
int env_file_parse(const char *data, size_t size, json_object *into, EnvFileError *ret_error);
