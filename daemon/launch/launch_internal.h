/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of a launch share: launch.c has its course, launch_prepare.c what comes before
 * anything runs, launch_stage.c its stages and turns, launch_failure.c why one failed. */

#include "launch/handover.h"
#include "launch/inputs.h"
#include "launch/launch.h"
#include "local/tap.h"
#include "vm/confine.h"

#include <sys/queue.h>

typedef enum LaunchStage {
        LAUNCH_ADMITTED,
        LAUNCH_ARTIFACTS,
        LAUNCH_RENDERED,
        LAUNCH_STARTING,
        LAUNCH_RUNNING,
        LAUNCH_READY,
} LaunchStage;

typedef struct Launch {
        Manager *manager; /* borrowed */
        LIST_ENTRY(Launch) of_manager;
        Vm *vm;              /* a reference */
        Allotment allotment; /* what it was admitted to */
        CvmSpec *spec;       /* owned; secrets go as soon as they are written */
        WireCall *call;      /* a reference; NULL once answered, or nobody waits */
        WirePeer owner;      /* owned; in whose name */
        bool again;          /* a CVM that ran before: what fails does not take it back */
        bool kept_shares;    /* and its environment and certificates are there */
        LaunchOptions options;
        LaunchStage stage;
        uint64_t begun; /* loop time */
        Loaded loaded;
        PreparedInputs prepared;
        LaunchPlan *plan;
        Shares shares;
        Tap tap;
        ScopeStart *scope;   /* that systemd is asked for; NULL: none, or answered */
        CommitWait recorded; /* the start's record gets to the disk */
        unsigned tries;
        bool loading;  /* the worker has not come back */
        LoadJob *load; /* borrowed, until it has; or NULL */
        bool starts;   /* has its turn, see launch_take_turn() */
        bool waits;    /* for its turn; all is loaded */
        uv_timer_cb on_turn;
        bool failed; /* error is set; waits for worker and process to be gone */
        CvmError error;
        char *reason; /* of one that failed; owned, or NULL */
        uv_timer_t start_timer, total_timer;
        unsigned n_ref; /* an open timer's each, and the worker's */
        VmWatch watch;
        bool done; /* the launch is over, and waits for its handles to close */
} Launch;

/* What is being done once a stage is entered: where a failure belongs. */
const char *launch_stage_doing(LaunchStage stage);
/* Tells the caller and the log. */
void launch_enter(Launch *launch, LaunchStage stage);

/* launch->plan from what is loaded and allotted now. What the host lacks refuses. */
int launch_render(Launch *launch);

/* From what was loaded to directory and shares: all that a start needs. */
int launch_prepare(Launch *launch);
/* The hypervisor, held until it may go. */
int launch_start_driver(Launch *launch);

/* Whether QEMU, or passt, lost a port that the daemon chose, so that another may do. log: its last
 * words. */
bool launch_lost_a_port(const Launch *launch, const char *log);
/* Sets launch->error to what the end of a hypervisor means. */
void launch_describe_end(Launch *launch, const DriverEnding *ending);

/*
 * Starting QEMU takes the CPUs. So that the launches of one user leave others theirs, at most as
 * many of a user as the host has CPUs, and at least four, start at a time; root's are not bounded.
 * A turn begins once all is loaded and ends when the guest runs or the launch is done.
 */

/* Whether the launch may start now. If not, its start_timer calls `run` when it may; of a user's
 * launches that wait, the oldest is next. */
bool launch_take_turn(Launch *launch, uv_timer_cb run);
/* For one that has its turn, that waits for it, or neither. */
void launch_end_turn(Launch *launch);
