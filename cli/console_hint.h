/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why a console may be empty. */

#include <json-c/json.h>

#include "arguments.h"

/* Asks for the CVM of a call's parameters ("name" or "id"; borrowed). If its kernel command
 * line has console=null, returns a text, newly allocated, that says so and what to do; else, or if
 * the daemon does not answer, NULL. `name` is what the user calls the CVM. */
char *console_hint(const Cli *cli, const char *name, json_object *parameters);
