/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A driver runs CVMs: it makes one from a plan, passes commands to it and reports its end. A CVM's
 * driver is chosen once, at launch. A driver does not know states, records or clients: these belong
 * to vm.
 *
 * Life of a DriverVm: start() makes it held (nothing of the plan has run yet) → go() lets it run →
 * `created` (the guest exists, its first instruction awaits resume()) → … → `ended`, exactly once,
 * after which only close() may be called. A DriverVm that adopt() found continues with `adopted`.
 * Callbacks never come from inside a call of the driver's functions. close() stops all callbacks,
 * never ends the guest, and frees in its time.
 */

#include <json-c/json.h>
#include <uv.h>

#include "base/error.h"
#include "template/plan.h"

typedef struct DriverVm DriverVm;

/* How the guest ended, as far as the driver saw it. Borrowed for the callback. */
typedef struct DriverEnding {
        const char *reason; /* as in the interface's type Ending, but stopped and killed, which vm
                               knows */
        const char *log;    /* last lines of what the hypervisor said, may be "" */
        bool has_exit_code, has_signal;
        int exit_code, signal;
} DriverEnding;

typedef struct DriverCallbacks {
        void (*created)(void *userdata);
        /* status: QEMU's RunState ("running", "paused", "prelaunch", …). */
        void (*adopted)(const char *status, void *userdata);
        /* Somebody else has held or resumed its CPUs: "running" or "paused". */
        void (*status)(const char *status, void *userdata);
        void (*console)(const void *data, size_t size, void *userdata);
        /* Of a plan with the descriptor "svsm-log". */
        void (*svsm_log)(const void *data, size_t size, void *userdata);
        /* Bytes of the guest's notify port, a stream; not to be trusted. */
        void (*notify)(const void *data, size_t size, void *userdata);
        void (*panicked)(json_object *info, void *userdata);
        /* The hypervisor holds the guest, unasked. status: QEMU's RunState, "internal-error" (the
         * driver ends it once this returns) or "io-error" (of a disk; resume() may continue). log:
         * last lines of its output. */
        void (*held)(const char *status, const char *log, void *userdata);
        /* The guest has ended, as `ended` will report, too: the driver ends the hypervisor once
         * this returns. */
        void (*leaving)(const char *reason, void *userdata);
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

typedef struct LibvirtHome LibvirtHome; /* driver_libvirt.h */

/* What all CVMs of a driver share; borrowed for as long as there is one. */
typedef struct DriverHome {
        const struct DriverOps *const *all; /* those that CVMs may have, ended by NULL */
        uv_loop_t *loop;
        LibvirtHome *libvirt; /* NULL in a build without */
} DriverHome;

typedef struct DriverOps DriverOps;
struct DriverOps {
        const char *name;
        /* The plan is a domain; files, devices and ports are opened by what runs it, not inherited,
         * and there is no process to confine. */
        bool by_path;
        int (*start)(const DriverHome *home, const DriverStart *start,
                     const DriverCallbacks *callbacks, void *userdata, DriverVm **ret,
                     CvmError *error);
        /* One that could not even begin is reported by `ended`, with what it said. */
        void (*go)(DriverVm *vm);
        /* What adopt() needs, as members of a record: pid, startTime. Never secret. */
        void (*save)(const DriverVm *vm, json_object *record);
        /* -ESRCH: it is gone. A shortage (driver_is_shortage): it could not be tried, and
         * runs on. */
        int (*adopt)(const DriverHome *home, const char *id, json_object *record, int runtime_dirfd,
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
        void (*close)(DriverVm *vm);      /* accepts NULL */
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

extern const DriverOps driver_qemu, driver_libvirt;
/* All that this build has, for DriverHome. */
extern const DriverOps *const driver_all[];

/* NULL: there is no such driver. */
const DriverOps *driver_find(const DriverHome *home, const char *name);
