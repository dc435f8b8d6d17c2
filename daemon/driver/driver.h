/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A driver runs CVMs: it makes one from a plan, passes commands to it and reports its end. A CVM's
 * driver is chosen once, at launch. A driver does not know states, records or clients: these belong
 * to vm. Nothing outside a driver's folder names the driver: what the daemon does
 * for one driver and not for another is a trait or an optional function in its DriverOps.
 *
 * Life of a DriverVm: start() makes it wait at its gate (nothing of the plan has run yet) → go()
 * opens the gate → `created` (the guest exists, its first instruction awaits resume()) → … →
 * `ended`, exactly once, after which only close() may be called. A DriverVm that adopt() found
 * continues with `adopted`. Callbacks never come from inside a call of the driver's functions.
 * close() stops all callbacks, never ends the guest, and frees in its time.
 */

#include <json-c/json.h>
#include <uv.h>

#include "base/ending.h"
#include "base/error.h"
#include "local/config.h"
#include "template/plan.h"

typedef struct DriverVm DriverVm;

/* QEMU's RunState (qapi/run-state.json). */
typedef enum RunState {
        RUN_STATE_UNKNOWN, /* of a newer QEMU */
        RUN_STATE_RUNNING,
        RUN_STATE_PAUSED,
        RUN_STATE_IO_ERROR,       /* a disk has failed; it may be resumed */
        RUN_STATE_INTERNAL_ERROR, /* QEMU cannot continue */
        RUN_STATE_SHUTDOWN,       /* the guest has turned itself off, or rebooted */
        RUN_STATE_GUEST_PANICKED,
        RUN_STATE_PRELAUNCH,
        RUN_STATE_SUSPENDED,
        RUN_STATE_WATCHDOG,
        RUN_STATE_DEBUG,
        RUN_STATE_INMIGRATE,
        RUN_STATE_POSTMIGRATE,
        RUN_STATE_FINISH_MIGRATE,
        RUN_STATE_RESTORE_VM,
        RUN_STATE_SAVE_VM,
        RUN_STATE_COLO,
        _RUN_STATE_MAX,
} RunState;

const char *run_state_name(RunState state);
RunState run_state_parse(const char *name);

/* How the guest ended, as far as the driver saw it. Borrowed for the callback. */
typedef struct DriverEnding {
        EndingKind kind; /* whether by a Stop or a kill knows vm alone */
        const char *log; /* last lines of what the hypervisor said, may be "" */
        bool has_exit_code, has_signal;
        int exit_code, signal;
} DriverEnding;

typedef struct DriverCallbacks {
        void (*created)(void *userdata);
        void (*adopted)(RunState state, void *userdata);
        /* Somebody else has paused or resumed its CPUs. */
        void (*status)(RunState state, void *userdata);
        /* Returns for how many milliseconds the driver should read nothing more of it. */
        unsigned (*console)(const void *data, size_t size, void *userdata);
        /* Likewise, of a plan with the descriptor "svsm-log". */
        unsigned (*svsm_log)(const void *data, size_t size, void *userdata);
        /* Bytes of the guest's notify port, a stream; not to be trusted. */
        void (*notify)(const void *data, size_t size, void *userdata);
        void (*panicked)(json_object *info, void *userdata);
        /* The hypervisor has paused the guest, unasked: RUN_STATE_INTERNAL_ERROR (the driver ends
         * it once this returns) or RUN_STATE_IO_ERROR (of a disk; resume() may continue). log: last
         * lines of its output. */
        void (*held)(RunState state, const char *log, void *userdata);
        /* The guest has ended, as `ended` will report, too: the driver ends the hypervisor once
         * this returns. */
        void (*leaving)(EndingKind kind, void *userdata);
        void (*ended)(const DriverEnding *ending, void *userdata);
} DriverCallbacks;

/* Result of pause and resume: 0, -EIO (refused; error says why) or -ECONNRESET (the guest is
 * going). */
typedef void (*DriverDone)(int r, const char *error, void *userdata);

/* A descriptor for the plan's `what`; borrowed. */
typedef struct DriverFd {
        const char *what;
        int fd;
} DriverFd;

typedef struct DriverStart {
        const char *id;         /* UUID: names what the driver creates */
        const LaunchPlan *plan; /* borrowed for the call */
        const DriverFd *fds;
        size_t n_fds;
        uid_t uid; /* that the hypervisor runs as, its group likewise; 0: the daemon's own */
        int runtime_dirfd; /* private directory for this CVM's sockets, borrowed for its life */
} DriverStart;

typedef struct DriverOps DriverOps;

/* What all CVMs of one driver share, from the daemon's start to its end. The structure of a driver
 * that has more begins with it. */
typedef struct DriverHome {
        const DriverOps *ops;
        uv_loop_t *loop;
        /* As which all its hypervisors run; 0: each has a uid of its own, with a group of the same
         * number, or runs as the daemon. */
        uid_t uid;
        gid_t gid;
} DriverHome;

/* What a driver found out for one launch (its `probe`). The driver's own structure begins
 * with it. */
typedef struct DriverProbe {
        const DriverOps *ops;
} DriverProbe;

/* In what a driver differs from one whose hypervisor is a child of the daemon. */
typedef struct DriverTraits {
        /* It runs a plan's domain, not the plan's command line. */
        bool domain;
        /* Its hypervisor inherits nothing. The hypervisor opens artifacts and shares by path,
         * connects to its companions itself, and binds ports and CID at its start. */
        bool by_path;
        /* The hypervisor is a child of another program, which confines it: it gets no scope. */
        bool elsewhere;
} DriverTraits;

struct DriverOps {
        const char *name;
        DriverTraits traits;

        /* Optional, each by itself: a driver leaves what it does not require NULL. */

        /* At the daemon's start; connects to nothing yet. NULL: it has a DriverHome alone. Returns
         * 0 or -errno. */
        int (*home_new)(uv_loop_t *loop, const Config *config, DriverHome **ret);
        /* After all its DriverVms are closed; handles close in the loop's next rounds. A worker may
         * be in `probe` meanwhile, or call it afterwards. */
        void (*home_close)(DriverHome *home);
        /* Once it is closed, the loop has ended and no worker probes any more. NULL: free(3). */
        void (*home_free)(DriverHome *home);
        /* Whether the driver's threads are left, also after its home was closed: exit(3) would run
         * the clean-up of their libraries as well. */
        bool (*has_threads)(void);
        /* The uid as which the hypervisor runs. NULL: the daemon reserves one for each CVM. Returns
         * 0, or -errno with HostNotReady. */
        int (*uid)(const DriverHome *home, uid_t *ret, CvmError *error);
        /* In the loop's thread, before `probe`. Returns 0, or -errno: `probe` cannot be called.
         * NULL: it always can. */
        int (*probe_begin)(DriverHome *home);
        /* What the driver can do with the QEMU at that path. Blocks; any thread but the loop's.
         * Returns what driver_probe_free() frees, or NULL without memory. */
        DriverProbe *(*probe)(DriverHome *home, const char *qemu);
        /* NULL: free(3) does. */
        void (*probe_free)(DriverProbe *probe);
        /* Adds what the platform requires of the driver, and the probe did not find. Returns 0 or
         * -ENOMEM. */
        int (*check)(const DriverHome *home, const DriverProbe *probe, const TemplateSet *set,
                     const Template *template, HostCheckList *missing);
        /* Sets what of a domain depends on the probe; probe NULL: there was no probe. */
        void (*fit_domain)(const DriverProbe *probe, PlanDomain *domain);

        /* Required. */

        int (*start)(DriverHome *home, const DriverStart *start, const DriverCallbacks *callbacks,
                     void *userdata, DriverVm **ret, CvmError *error);
        /* One that could not even begin is reported by `ended`, with what it said. */
        void (*go)(DriverVm *vm);
        /* What adopt() needs, as members of a record: pid, startTime. Never secret. */
        void (*save)(const DriverVm *vm, json_object *record);
        /* -ESRCH: it is gone. A shortage (driver_is_shortage): it could not be tried, and
         * runs on. */
        int (*adopt)(DriverHome *home, const char *id, json_object *record, int runtime_dirfd,
                     const DriverCallbacks *callbacks, void *userdata, DriverVm **ret);
        int (*resume)(DriverVm *vm, DriverDone done, void *userdata);
        int (*pause)(DriverVm *vm, DriverDone done, void *userdata);
        void (*powerdown)(DriverVm *vm);
        void (*quit)(DriverVm *vm);
        void (*kill)(DriverVm *vm);
        /* Bytes for the guest's console; returns how many were taken, or -errno
         * (-EAGAIN: later). */
        ssize_t (*console_write)(DriverVm *vm, const void *data, size_t size);
        pid_t (*pid)(const DriverVm *vm); /* 0: none */
        /* When that process started, as base/process.h has it. NULL: it has none. */
        uint64_t (*start_time)(const DriverVm *vm);
        void (*close)(DriverVm *vm); /* accepts NULL */
};

/* What every driver's own structure begins with. */
struct DriverVm {
        const DriverOps *ops;
        const DriverCallbacks *callbacks;
        void *userdata;
};

/* What is short now may be there for a daemon that starts later: no reason to give up a CVM. */
static inline bool driver_is_shortage(int r)
{
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

/* All drivers of this build (daemon/driver/meson.build), ended by NULL. */
extern const DriverOps *const driver_all[];

/* Returns the driver of this name, or NULL if this build does not have it. */
const DriverOps *driver_find(const DriverOps *const *all, const char *name);
/* "qemu, NAME". Owned by the caller; NULL without memory. */
char *driver_names(const DriverOps *const *all);

#define DRIVERS_MAX 8

/* The drivers that CVMs of one daemon may have. */
typedef struct Drivers {
        const DriverOps *const *all;
        DriverHome *homes[DRIVERS_MAX]; /* owned; NULL if there is none */
        bool closed;
} Drivers;

/* Returns 0 or -errno; drivers_close() and drivers_free() are to be called in any case. */
int drivers_init(Drivers *drivers, const DriverOps *const *all, uv_loop_t *loop,
                 const Config *config);
/* After all DriverVms are closed. Handles close in the loop's next rounds; the homes are there for
 * workers that probe. Idempotent. */
void drivers_close(Drivers *drivers);
/* Once the loop has ended. */
void drivers_free(Drivers *drivers);
/* Returns the home of the driver of this name, or NULL if this daemon does not have it. */
DriverHome *drivers_find(const Drivers *drivers, const char *name);
/* NULL: ops is NULL, or it is closed. */
DriverHome *drivers_home(const Drivers *drivers, const DriverOps *ops);
/* The group that gets to files by path; 0: there is none. One driver at most has one. */
gid_t drivers_gid(const Drivers *drivers);
/* Whether one of them has threads left (DriverOps, has_threads). */
bool drivers_have_threads(const DriverOps *const *all);

/* Accepts NULL. */
DriverProbe *driver_probe_free(DriverProbe *probe);
