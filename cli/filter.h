/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The options of list and events that select CVMs. */

#include <json-c/json.h>

#include "arguments.h"

/* Adds what the options say to the parameters of List or Watch. Returns EXIT_OK, or the status of
 * what it printed. */
ExitStatus filter_apply(const Arguments *arguments, json_object *parameters);

/* Puts each --label NAME=VALUE into `labels`, an object (NULL: they are only checked). Likewise. */
ExitStatus filter_read_labels(const Arguments *arguments, json_object *labels);
