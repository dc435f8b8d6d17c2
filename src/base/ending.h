/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a CVM ends: the one table from which the daemon takes the final state and whether a restart
 * policy applies, and cvmctl the exit status of `run`. The names are those of the interface's type
 * Ending; the manual pages are compared with this table by a test.
 */

#include "base/macros.h"

typedef enum EndingKind {
        ENDING_NONE, /* it has not ended, or how it ended is not known yet */
        ENDING_POWER_OFF,
        ENDING_POWER_OFF_OR_REBOOT, /* no daemon was running, so which of them is unknown */
        ENDING_GUEST_RESET,
        ENDING_GUEST_PANIC,
        ENDING_STOPPED,
        ENDING_KILLED, /* stopped, and the hypervisor had to be killed */
        ENDING_EXPIRED,
        ENDING_QEMU_EXIT,
        ENDING_QEMU_SIGNAL,
        ENDING_INTERNAL_ERROR,
        ENDING_LAUNCH_FAILED,
        ENDING_LOST,
        ENDING_COMPANION,
        ENDING_RESTART_FAILED,
        ENDING_SECRETS_GONE,
        ENDING_RESTART_REQUESTED, /* a client's Restart: never the last one */
        _ENDING_MAX,
} EndingKind;

typedef enum EndingRestart {
        ENDING_IS_FINAL,            /* requested, or another attempt cannot help */
        ENDING_RESTARTS_ALWAYS,     /* under the policy `always` alone */
        ENDING_RESTARTS_ON_FAILURE, /* under the policy `on-failure` too */
} EndingRestart;

typedef struct Ending {
        const char *name;
        bool failed; /* the final state is `failed`, not `stopped` */
        EndingRestart restart;
        int exit_status; /* of `cvmctl run` */
} Ending;

/* kind: not ENDING_NONE. */
const Ending *ending_get(EndingKind kind);
/* ENDING_NONE: there is none of that name, or name is NULL. */
EndingKind ending_parse(const char *name);
/* The ending of that name. An unknown one (of a newer daemon) gets an entry that is `failed`,
 * restarts on failure and has exit status 1; its name is then NULL. Never NULL itself. */
const Ending *ending_find(const char *name);
