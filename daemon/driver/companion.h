/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Companions: programs that a CVM requires in addition to its hypervisor, such as a TPM emulator. A
 * template states which ones, and their command lines (cvm-template(5), `companions`); this module
 * runs them.
 *
 * Life of a set, in the hands of one CVM:
 *
 *   companions_start()  each is a child that waits at its gate (child.h) with a private directory
 * and a channel of its own: nothing of the plan has run, the record can be written companions_go()
 * they run; `ready` comes when each one's channel is connected companions_fd()     the hypervisor's
 * ends, to be given to it companions_release_fds()  once it has them: from then on only those two
 * speak companions_end()    SIGKILL; the set frees itself when all are reaped
 *
 * A companion that ends by itself, or does not open its socket in time, is reported by `failed`,
 * once; the others keep running until companions_end(). One that exits with code 0 is reported
 * COMPANION_GRACE_MSEC later, since many end together with the hypervisor and are noticed first.
 *
 * In the CVM's runtime directory each has NAME.d, its directory (mode 0700, of its uid, empty at
 * the start), and NAME.out, a pipe for its output, which the companion itself has open for reading
 * and writing: it can write while no daemon runs, and the next daemon continues to read.
 */

#include <json-c/json.h>
#include <uv.h>

#include "base/error.h"
#include "template/plan.h"

/* How much later than the end of a companion the end of the hypervisor may be reported if both
 * ended together: of a child of the daemon, and by another program. */
#define COMPANION_GRACE_MSEC 500u
#define COMPANION_GRACE_ELSEWHERE_MSEC 10000u

typedef struct Companions Companions;

/* Never called from inside a function of this module; companions_end() and companions_close() may
 * be called inside. */
typedef struct CompanionCallbacks {
        void (*ready)(void *userdata);
        /* reason: "swtpm exited with code 1"; log: the last lines of its output, may be "". Both
         * borrowed. */
        void (*failed)(const char *reason, const char *log, void *userdata);
} CompanionCallbacks;

typedef struct CompanionsStart {
        const LaunchPlan *plan; /* its companions, at least one; argv[0] of each an absolute path */
        uid_t uid;              /* that they run as; 0: that of the daemon */
        gid_t gid;              /* likewise */
        int runtime_dirfd;      /* the CVM's; borrowed for the call */
        bool connects;          /* the hypervisor connects to their sockets itself */
        uint32_t socket_sec;    /* that each has to open its socket, > 0 */
} CompanionsStart;

/* SystemError or LaunchFailed; nothing is left running then. */
int companions_start(uv_loop_t *loop, const CompanionsStart *start,
                     const CompanionCallbacks *callbacks, void *userdata, Companions **ret,
                     CvmError *error);
/* 0, or -EPIPE if one is gone. */
int companions_go(Companions *companions);
/* The hypervisor's end for what = "companion:NAME"; borrowed, -1: there is none. */
int companions_fd(const Companions *companions, const char *what);
void companions_release_fds(Companions *companions);

/* What companions_adopt() needs, as member `companions` of a record. */
void companions_save(const Companions *companions, json_object *record);
/* The recorded ones; *ret stays NULL if the record has none. `failed` reports one that has gone.
 * Returns -ENOMEM, -EMFILE or -ENFILE if it could not be tried. */
int companions_adopt(uv_loop_t *loop, json_object *record, int runtime_dirfd, bool connects,
                     const CompanionCallbacks *callbacks, void *userdata, Companions **ret);

/* Both accept NULL, stop all callbacks, and free in their time; close lets the programs run on. */
void companions_end(Companions *companions);
void companions_close(Companions *companions);
