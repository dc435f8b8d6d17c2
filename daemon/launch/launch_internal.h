/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of a launch share. launch.c has the table of its steps; launch_course.c takes them
 * one after the other, and back. The steps themselves, each next to its undo:
 *
 *   launch.c            admitted
 *   launch_artifacts.c  artifacts
 *   launch_turn.c       turn
 *   launch_prepare.c    rendered, network, shares
 *   launch_start.c      companions, hypervisor, scope, recorded, created
 *   launch_run.c        resumed, running, ready, answered
 *
 * launch_failure.c says why a hypervisor did not come to run.
 */

#include "launch/handover.h"
#include "launch/inputs.h"
#include "launch/launch.h"
#include "local/tap.h"
#include "vm/confine.h"

#include <sys/queue.h>

typedef enum LaunchStepId {
        LAUNCH_ADMITTED,
        LAUNCH_ARTIFACTS,
        LAUNCH_TURN,
        LAUNCH_RENDERED,
        LAUNCH_NETWORK,
        LAUNCH_SHARES,
        LAUNCH_COMPANIONS,
        LAUNCH_HYPERVISOR,
        LAUNCH_SCOPE,
        LAUNCH_RECORDED,
        LAUNCH_CREATED,
        LAUNCH_RESUMED,
        LAUNCH_RUNNING,
        LAUNCH_READY,
        LAUNCH_ANSWERED,
        _LAUNCH_STEP_MAX,
} LaunchStepId;

/* What `begin` of a step returns, unless it fails. */
enum {
        LAUNCH_STEP_DONE,
        LAUNCH_STEP_WAITS,   /* launch_advance() will be called, from the loop */
        LAUNCH_STEP_SKIPPED, /* this launch does not have it */
};

typedef struct Launch Launch;
typedef struct SharesWrite SharesWrite;

typedef struct LaunchStep {
        const char *name;
        const char *stage; /* that an error names if it fails or takes too long */
        const char *told;  /* stage that is reported to the caller once it is done, or NULL */
        /* Returns one of the above, or -errno with launch->error set. */
        int (*begin)(Launch *launch);
        /* Reverses what `begin` did or began, all or part of it; may be repeated. Returns whether
         * that is done; else launch_unwind() will be called. NULL: there is nothing to reverse. */
        bool (*undo)(Launch *launch);
} LaunchStep;

/* Of a step; uv_hrtime(). */
typedef struct LaunchTime {
        uint64_t begun, ended; /* 0: not yet */
} LaunchTime;

struct Launch {
        Manager *manager; /* borrowed */
        LIST_ENTRY(Launch) of_manager;
        const LaunchStep *steps; /* _LAUNCH_STEP_MAX of them */
        unsigned n_steps;        /* that have begun, and are not undone; the last is the current */
        LaunchTime times[_LAUNCH_STEP_MAX];
        Vm *vm;                         /* a reference; NULL before it is admitted */
        Vm *replaced;                   /* a reference: has ended, and is on the shelf until the
                                         * hypervisor is let run; NULL: none, or it is removed */
        const Template *template;       /* borrowed from the manager */
        Allotment allotment;            /* what it was admitted to */
        CvmSpec *spec;                  /* owned; secrets go as soon as they are written */
        WireCall *call;                 /* a reference; NULL: nobody waits */
        json_object *reply;             /* owned; waits for the disk */
        WirePeer owner;                 /* owned; in whose name */
        bool again;                     /* a CVM that ran before: what fails does not remove it */
        bool kept_shares;               /* and its environment and certificates are there */
        bool has_directory, has_shares; /* it has made them; one that was there is another's */
        LaunchOptions options;
        uint64_t begun; /* loop time */
        Loaded loaded;
        PreparedInputs prepared;
        LaunchPlan *plan;
        Shares shares;
        SharesWrite *write; /* borrowed, while a worker writes them; or NULL */
        Tap tap;
        ScopeStart *scope;   /* that systemd is asked for; NULL: none, or answered */
        CommitWait recorded; /* a record gets to the disk */
        unsigned tries;
        bool loading;   /* the worker has not come back */
        LoadJob *load;  /* borrowed, until it has; or NULL */
        bool starts;    /* has its turn, see launch_await_turn() */
        bool waits;     /* for its turn; all is loaded */
        bool failed;    /* error is set; its steps are being undone */
        bool keeps;     /* the same, and the CVM is kept as failed, with its record and its logs */
        bool cancelled; /* likewise, as its caller has cancelled it */
        CvmError error;
        char *reason;                        /* of one that failed; owned, or NULL */
        char *last_words;                    /* of its QEMU, if the error has none; likewise */
        uv_timer_t start_timer, total_timer; /* of the current step; of all */
        unsigned n_ref;                      /* an open timer's each, and the worker's */
        VmWatch watch;
        bool done; /* the launch is over, and waits for its handles to close */
};

/* launch_course.c */

/* launch_unref() frees it with the last reference. NULL without memory. */
Launch *launch_new(Manager *manager, const LaunchStep *steps, const WirePeer *owner);
void launch_unref(Launch *launch);
/* Begins this step, and those behind it until one waits. */
void launch_begin_step(Launch *launch, LaunchStepId id);
/* The current step, which waited, is done: the next one begins. */
void launch_advance(Launch *launch);
/* The step that has begun last. */
const LaunchStep *launch_current(const Launch *launch);
bool launch_is_at(const Launch *launch, LaunchStepId id);
/* Undoes the steps from this one on, of which none may have to wait. */
void launch_retreat(Launch *launch, LaunchStepId id);
/* launch->error is set: counts and logs the launch as failed, or cancelled, at the current step. */
void launch_note_failure(Launch *launch);
/* The same, undoes all steps, then answers. Does nothing if it has failed before. */
void launch_fail(Launch *launch);
/* Continues to undo the steps of one that has failed. */
void launch_unwind(Launch *launch);
/* The call is answered: releases everything. */
void launch_done(Launch *launch);
/* Fails with LaunchFailed at the current step. */
void launch_cancel(Launch *launch, const char *reason);
/* Of both timers: fails with Timeout at the current step. */
void launch_on_timeout(uv_timer_t *timer);

/* The steps: begin and undo of each. */
int launch_load(Launch *launch);
bool launch_unload(Launch *launch);
int launch_await_turn(Launch *launch);
bool launch_end_turn(Launch *launch);
int launch_render(Launch *launch);
int launch_open_network(Launch *launch);
bool launch_close_network(Launch *launch);
int launch_write_shares(Launch *launch);
bool launch_wipe_shares(Launch *launch);
int launch_start_companions(Launch *launch);
bool launch_end_companions(Launch *launch);
int launch_start_hypervisor(Launch *launch);
bool launch_end_hypervisor(Launch *launch);
int launch_enter_scope(Launch *launch);
bool launch_ask_no_scope(Launch *launch);
int launch_await_record(Launch *launch);
bool launch_await_no_record(Launch *launch);
int launch_open_gate(Launch *launch);
bool launch_stop_start_timer(Launch *launch);
int launch_resume(Launch *launch);
int launch_run(Launch *launch);
bool launch_take_charge(Launch *launch);
int launch_await_ready(Launch *launch);
int launch_answer(Launch *launch);

/* launch->plan, for the ports and the CID that the CVM has now. What the host lacks refuses. */
int launch_make_plan(Launch *launch);

/* Follows what happens to the CVM until the guest runs, and once its launch has failed. */
extern const VmKeeper launch_keeper;
/* The CVM may end, be stopped, or be removed by others; at any time the daemon may go. */
void launch_on_vm_changed(Vm *vm, void *userdata);

/* Whether QEMU, or passt, lost a port that the daemon chose, so that another may do. log: its last
 * words. */
bool launch_lost_a_port(const Launch *launch, const char *log);
/* Sets launch->error to what the end of a hypervisor means. */
void launch_describe_end(Launch *launch, const DriverEnding *ending);
