/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which CVMs `list` shows: by parameters of List, and by what is selected from its reply here. */

#include <json-c/json.h>

#include "filter.h"
#include "session.h"

typedef struct ListSelection {
        json_object *parameters; /* of List; owned */
        char *states;           /* the states that are shown, with blanks between them; NULL: any */
        OptionValues filters;   /* of --filter, of which "name=PATTERN" are left to be looked at */
        SessionTarget *targets; /* the CVMs that are shown; NULL: any */
        size_t n_targets;
} ListSelection;

/* The options and operands of `list` that select; borrowed from the arguments. */
typedef struct ListSelectOptions {
        FilterOptions filter;
        OptionValues filters;
        const char *const *names;
        size_t n_names;
        bool all, running;
} ListSelectOptions;

ListSelectOptions list_select_options(const Arguments *arguments);

/* Returns EXIT_OK with the selection in *ret, or the status of what it printed. */
ExitStatus list_select_read(const Cli *cli, const ListSelectOptions *options, ListSelection *ret);
void list_select_done(ListSelection *selection);

/* Asks the daemon, with_spec: for each CVM's spec, too. Returns EXIT_OK with an array in *ret
 * (owned), or the status of what it printed; if that is about single CVMs that were named, there is
 * an array, too. */
ExitStatus list_select_call(const Cli *cli, const ListSelection *selection, bool with_spec,
                            json_object **ret);
