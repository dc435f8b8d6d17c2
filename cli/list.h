/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The list of CVMs, for `list` and for `status` without a name. */

#include <json-c/json.h>

#include "arguments.h"

/* Takes the parameters of List; NULL: {}. */
ExitStatus list_print(const Cli *cli, json_object *parameters);
