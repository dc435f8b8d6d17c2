/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The options of list and events that select CVMs. */

#include <json-c/json.h>

#include "arguments.h"

/* Borrowed from the arguments; NULL and n = 0: not given. */
typedef struct FilterOptions {
        const char *state, *platform, *name_prefix, *id;
        const char *owner; /* a name or a uid */
        OptionValues labels;
} FilterOptions;

FilterOptions filter_options(const Arguments *arguments);

/* Adds what the options say to the parameters of List or Watch. Returns EXIT_OK, or the status of
 * what it printed. */
ExitStatus filter_apply(const Cli *cli, const FilterOptions *options, json_object *parameters);
