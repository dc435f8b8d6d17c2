/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Environment files in the syntax of systemd's EnvironmentFile= (systemd.exec(5)): KEY=VALUE a
 * line, comments from '#' or ';', values bare, in single or in double quotes, backslashes as in a
 * shell. Where systemd would skip what it does not understand, this refuses.
 */

#include <json-c/json.h>

#include "base/macros.h"

typedef struct EnvFileError {
        unsigned line; /* from 1 */
        char reason[160];
} EnvFileError;

/* Adds each variable to `into`, an object of strings. Returns 0, -ENOMEM, or -EBADMSG with
 * ret_error: no UTF-8, a NUL, no '=', no name, a name given twice, quotes that do not end, text
 * after them. */
int env_file_parse(const char *data, size_t size, json_object *into, EnvFileError *ret_error);
