/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The CVMs that --all and prune mean. */

#include "session.h"

typedef struct AllTargets {
        bool live;            /* those that have not ended, else those that have */
        bool own;             /* only those that this user launched */
        int64_t ended_before; /* only those that ended before, in µs since the epoch; 0: all */
        SessionTarget *at;    /* what was found: newly allocated, each with its id */
        size_t n;
        size_t n_other; /* how many there are that have ended, or have not, against `live` */
} AllTargets;

/* all: --all was given. Refuses it with names, and neither of both. */
ExitStatus all_targets_check(const Cli *cli, bool all, size_t n_names);
/* Asks the daemon. Returns EXIT_OK, or the status of the failure that it printed. */
ExitStatus all_targets_find(const Cli *cli, AllTargets *targets);
void all_targets_done(AllTargets *targets);
/* Calls the method for each, as session_call_targets(); one that is gone meanwhile is not an error.
 * If there is none, says so: "there is no CVM to NOTHING". */
ExitStatus all_targets_call(const Cli *cli, const char *method, json_object *parameters,
                            const char *done, const char *nothing, const AllTargets *targets);
