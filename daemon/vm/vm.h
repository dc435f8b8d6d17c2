/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One CVM: its states, what is reserved for it, how it ended.
 *
 * One enum, one name table, one transition table; vm_set_state() alone changes the state, and it
 * alone persists the record and emits the event, in that order. Reference counted; the manager
 * holds one reference until the CVM is removed.
 */

#include <sys/types.h>
#include <uv.h>

#include "base/handles.h"
#include "base/json_write.h"
#include "base/list.h"
#include "driver/driver.h"
#include "local/deadline.h"
#include "spec/spec.h"
#include "vm/console.h"
#include "vm/vm_boot.h"
#include "vm/vm_guest.h"
#include "vm/vm_process.h"
#include "vm/vm_reserved.h"
#include "vm/vm_restart.h"
#include "vm/vm_stages.h"
#include "vm/vm_state.h"
#include "wire/peer.h"

typedef struct VmHome VmHome; /* home.h */
typedef struct Vm Vm;

/* A UUID in its canonical form: it becomes part of file names. */
bool vm_id_is_valid(const char *id);
#define VM_ID_REQUIRED "must be a UUID in lower case, such as 2c5d4ba4-6b0e-4c0a-9d0e-0d5f2f4a7a11"

typedef struct VmEnding {
        char *reason, *detail; /* reason NULL: it has not ended */
        bool has_exit_code, has_signal;
        int exit_code, signal;
        int64_t at;
} VmEnding;

/* Notified after each change of state or readiness, and once when the CVM is removed. A watcher
 * that needs the Vm after it may have been removed takes a reference. */
typedef struct VmWatch VmWatch;
struct VmWatch {
        void (*changed)(Vm *vm, void *userdata);
        void *userdata;
        ListItem item; /* of those who watch the same (base/list.h) */
};

/* The module in charge of a CVM, which is notified of what happens to it: a launch until the
 * guest runs and once it has failed, else restart.h. NULL for a function selects what vm does by
 * itself. */
typedef struct VmKeeper {
        /* The guest exists; its first instruction awaits the driver's resume(). */
        void (*created)(Vm *vm, void *userdata);
        void (*companions_ready)(Vm *vm, void *userdata);
        /* The hypervisor has ended, and the driver's part is closed. NULL: vm_end() */
        void (*ended)(Vm *vm, const DriverEnding *ending, void *userdata);
        /* NULL: the companion's failure ends the CVM. */
        void (*companion_failed)(Vm *vm, const char *reason, const char *log, void *userdata);
        /* What is being prepared or awaited is not wanted any more; there is no guest yet. */
        void (*cancel)(Vm *vm, const char *reason, void *userdata);
} VmKeeper;

/* Members that live equally long form a group. Each group's header names the modules that change
 * it; tests/check/test_groups.py holds them to that. */
struct Vm {
        unsigned n_ref;
        VmHome *home; /* borrowed */
        bool removed; /* from the daemon that it lives in; no handle is open then */

        /* Who it is, as it was admitted: constant, but for spec and labels (vm_update()). */
        char *name, *id, *platform;
        uid_t owner;
        uid_t account; /* to which quotas count what it has (subuids.h); charges_move() */
        gid_t owner_group, *owner_groups; /* the latter owned */
        size_t n_owner_groups;
        const DriverOps *ops;
        int64_t created_at;
        uint32_t cpus;
        uint64_t memory;
        uint64_t promised; /* bytes of the host's memory that it may come to use */
        bool debug, confidential;
        bool emulated; /* by TCG, as far as it is known: not of records of older versions */
        uint32_t start_sec, ready_sec, powerdown_sec, quit_sec;
        json_object *spec;    /* CvmSpec.given; owned */
        bool spec_is_given;   /* false: cvmd 0.1.0 launched it, and the spec has all its defaults */
        json_object *paths;   /* of files in the spec that were sent as descriptors, as
                               * spec_given_show() accepts them; owned; NULL: none */
        json_object *request; /* digests of a launch with an id (local/request.h); owned, or NULL */
        json_object *labels;  /* as in the spec; replaced, never changed, as events share it; NULL:
                               * none */
        SpecRemove remove;    /* as in the spec */
        Console *console;
        Console *svsm_log; /* NULL: its spec asks for none */

        VmReserved reserved;
        VmBoot boot;
        VmProcess process;
        VmGuest guest;
        VmRestart restart;
        VmStages stages;

        VmState state;
        const VmKeeper *keeper; /* NULL: no module is in charge */
        void *keeper_userdata;
        List watches;

        /* How it comes to its end. */
        VmEnding ending;
        bool kept; /* a launch that fails leaves the CVM and its ending: its hypervisor was let run
                    * and the guest does not run yet, its launch has failed after that, or the same
                    * launch is in progress again */
        bool given_up;      /* recover.c's: as its launch was not done when the last daemon ended */
        bool may_have_run;  /* likewise: its hypervisor waited at its gate, or was let run */
        bool launch_failed; /* it has ended for good while its launch waited for READY */
        bool ready_is_awaited; /* by its launch */
        uint64_t log_bytes;    /* of its logs, once it has ended */
        bool logs_are_counted; /* log_bytes is set */
        VmCause cause;
        unsigned limits_in_doubt;             /* updates that ask for other limits than its spec has
                                               * (launch/update.h) */
        bool stop_is_logged, force_is_logged; /* that a call asked for them (api_log_stop()) */
        Deadline expires;                     /* its time to live */
        uint64_t stop_until_msec; /* when the power button has had its time, by uv_now() */
        unsigned stop_presses;    /* of the power button, in this stop */
        uv_timer_t stop_timer, expiry_timer;
        Handles timers; /* of all groups; they have one reference */
};

/* What all CVMs of its driver share; NULL: this build has no such driver. */
DriverHome *vm_driver_home(const Vm *vm);
/* The group that its hypervisor runs as; 0: that of the daemon. */
gid_t vm_gid(const Vm *vm);
/* Where the artifacts lie that its hypervisor opens by path; NULL: the hypervisor inherits them. */
ArtifactFiles *vm_files(const Vm *vm);

/* name, platform: copied. The timers are open: vm_close() must be called before the last unref. */
Vm *vm_new(VmHome *home, const char *name, const char *id, const char *platform, uid_t owner,
           gid_t owner_group);
Vm *vm_ref(Vm *vm);
Vm *vm_unref(Vm *vm);
DEFINE_CLEANUP(Vm *, vm_unref)

/* Closes timers and driver; notifies watchers. The process, if any, keeps running. Idempotent. */
void vm_close(Vm *vm);

/* Changes the state as the transition table allows (assert), persists, emits, notifies watchers.
 * Returns what persisting returned: a running CVM keeps running after a failure, because its old
 * record still names it; a CVM must not be started after a failure. */
int vm_set_state(Vm *vm, VmState state);
/* The ending of a CVM that has none yet; copies. driver may be NULL. */
void vm_set_ending(Vm *vm, EndingKind kind, const char *detail, const DriverEnding *driver);
/* The same as a record has it: perhaps with a reason that this daemon does not know. */
void vm_load_ending(Vm *vm, const char *reason, const char *detail, const DriverEnding *driver);

void vm_watch(Vm *vm, VmWatch *watch);
/* The same for all CVMs of a daemon. This watcher is notified after a CVM's own watchers of a
 * change, and before them of its removal. */
void vm_watch_all(VmHome *home, VmWatch *watch);
void vm_unwatch(VmWatch *watch);
/* Call it after a change that watchers are notified about. */
void vm_tell_watchers(Vm *vm);
/* An event of this CVM's (events.h). detail may be NULL; it is taken. */
void vm_emit(const Vm *vm, const char *kind, const char *old_state, const char *new_state,
             json_object *detail);

/* From one event of the guest's status to the next: the guest has not all events for itself. */
#define VM_STATUS_MSEC 1000

/* The driver's and the companions' reports; vm is their userdata. */
extern const DriverCallbacks vm_driver_callbacks;
extern const CompanionCallbacks vm_companion_callbacks;

/* From now on `keeper` is in charge of the CVM; NULL: no module is. */
void vm_entrust(Vm *vm, const VmKeeper *keeper, void *userdata);

/* Concludes a CVM whose hypervisor has gone, by what the driver or a record reports: sets its
 * ending, if that is not known yet. Returns the final state: VM_STOPPED or VM_FAILED. */
VmState vm_conclude(Vm *vm, const DriverEnding *ending);
/* The same; also releases all its resources and sets the last state. */
void vm_end(Vm *vm, const DriverEnding *ending);

/* Begins to stop, or hastens a stop in progress. The launch of a CVM that is being launched for the
 * first time is cancelled, and has failed; one that waits to be launched again ends at once. why:
 * ENDING_STOPPED, ENDING_EXPIRED, or ENDING_RESTART_REQUESTED (restart_request() alone).
 * powerdown_sec 0: the CVM's own. */
void vm_stop(Vm *vm, EndingKind why, bool force, uint32_t powerdown_sec);
/* How a pause or a resume has come out: error NULL, or why not. Borrowed. */
typedef void (*VmSwitched)(Vm *vm, CvmError *error, void *userdata);
/* Pauses a running CVM, and resumes a paused one, that has its driver. `done` comes once, now or
 * later: LaunchFailed says that the hypervisor refuses or has ended, Timeout that it does not
 * answer. */
void vm_pause(Vm *vm, VmSwitched done, void *userdata);
void vm_resume(Vm *vm, VmSwitched done, void *userdata);
/* Its hypervisor leaves by itself: as after a Stop's quit it is killed if it does not in time. */
void vm_await_quit(Vm *vm);
/* Releases everything that only a live CVM has: ports, CID, artifacts, shares, sockets. */
void vm_release(Vm *vm);
/* The same of what only a process needs: a restarting CVM keeps the rest. */
void vm_release_process(Vm *vm);
/* Parts of it, for a launch that undoes its steps. */
void vm_release_directory(Vm *vm);
void vm_release_artifacts(Vm *vm);
void vm_release_shares(Vm *vm);
/* Ends it when its time to live is over. */
void vm_arm_expiry(Vm *vm);
/* Changes what `spec` has of the time to live, the restart policy, the labels and the limits, which
 * is on record then, and emits the event. given: the CVM's spec from now on; names: an array of the
 * fields that change; both are taken. Returns 0, or -errno with SystemError: nothing is changed. */
int vm_update(Vm *vm, const CvmSpec *spec, json_object *given, Deadline expires, json_object *names,
              CvmError *error);
/* Forgets the previous ending; called before a relaunch. */
void vm_clear_ending(Vm *vm);
/* Starts waiting for READY; only reported. */
void vm_arm_ready_timer(Vm *vm);

/* What the guest says over its notify port (sd_notify(3) lines): READY=1, STATUS=…,
 * X_CVMD_UPTIME_USEC=…; unknown lines are ignored, lines are bounded. */
void vm_notify(Vm *vm, const char *data, size_t size);
/* The same in a message of its own, each line of which ends in it. */
void vm_notify_message(Vm *vm, const char *data, size_t size);
/* The guest has reported READY: persists, emits, notifies watchers. */
void vm_become_ready(Vm *vm);
/* Emits what it said last, if that is untold, and no more for VM_STATUS_MSEC. */
void vm_tell_status(Vm *vm);

/* The members of the interface's type Cvm, but for its spec and pid. */
void vm_write_members(const Vm *vm, JsonWriter *writer);
/* All of them, as json_new_written() has them: to be written only. NULL without memory. */
json_object *vm_to_json(const Vm *vm);
/* The same with the spec, unless cvmd 0.1.0 launched it. */
json_object *vm_to_json_with_spec(const Vm *vm);
