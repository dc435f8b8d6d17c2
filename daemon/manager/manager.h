/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of CVMs, what they share, and admission.
 *
 * Directories (all private to the daemon's uid):
 *   STATE/records/ID.json   a record a CVM (record.h)
 *   STATE/consoles/ID…      console logs
 *   STATE/events…, sequence what happened, and event numbers (event_store.h)
 *   STATE/key               of digests of launches (local/request.h)
 *   STATE/qemu-cache/       what QEMU binaries can do (host/qemu_probe.h)
 *   RUNTIME/vms/ID/         sockets of a live CVM
 *   RUNTIME/machines/ID     control socket of a live CVM (machine.h)
 *   RUNTIME/artifacts/      what drivers that go by path boot from (artifact_files.h)
 *   RUNTIME/shares/ID/      environment and certificates of a live CVM; secret
 */

#include <sys/queue.h>

#include "artifact/artifact.h"
#include "host/host.h"
#include "local/qemu_cache.h"
#include "local/request.h"
#include "local/turns.h"
#include "manager/host_access.h"
#include "template/template.h"
#include "vm/home.h"
#include "vm/vm.h"

typedef struct Manager {
        VmHome home; /* what each CVM has of it */
        TemplateSet *templates;
        HostFacts *host;
        ArtifactStore *artifacts;
        QemuCache *qemus;
        RequestKey request_key;
        Turns *turns;             /* to read files of users in, which may never answer */
        int runtime_fd, state_fd; /* the directories */
        bool has_admins, has_users, privileged; /* groups cvm-admin and cvm exist; euid is 0 */
        gid_t admins, users;
        HostAccess host_access; /* of guests */
        /* launch_again(), registered by what composes the daemon: restart.h stands below it */
        void (*launch_again)(struct Manager *manager, Vm *vm, const Template *template,
                             CvmSpec *spec, const WirePeer *owner, bool kept_shares);
        bool closing;                         /* no launch is begun any more */
        LIST_HEAD(Launches, Launch) launches; /* those that are not done yet (launch.h) */
        uint32_t notify_port;                 /* vsock port of guests' notifications; 0: none */
        uint16_t port_cursor;                 /* where the search for a free port continues */
        uint32_t cid_cursor;
        uid_t uid_cursor;
        uid_t *orphan_uids; /* owned; orphans.h */
        size_t n_orphan_uids;
} Manager;

typedef struct ManagerDirectories {
        const char *runtime, *state;
} ManagerDirectories;

/* config must outlive the manager. It has no CVM yet. On failure *ret may be one that is only to be
 * closed and freed. */
int manager_new(uv_loop_t *loop, const Config *config, const ManagerDirectories *directories,
                Manager **ret, CvmError *error);
/* Lets go of all CVMs without ending them; handles close in the loop's next rounds, after which
 * manager_free() may be called. */
void manager_close(Manager *manager);
/* Lets another daemon use the directories. */
void manager_unlock(const Manager *manager);
/* What is done from now on is done by another configuration; live CVMs keep what they
 * were given. */
void manager_configure(Manager *manager, const Config *config);
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP(Manager *, manager_free)

/* root, the daemon's own uid and members of the admins' group see all, others their own. */
bool manager_is_admin(const Manager *manager, const WirePeer *peer);
bool manager_may_see(const Manager *manager, const WirePeer *peer, uid_t owner);
/* By name, by id, or by both if neither is NULL. NULL: there is none that the peer may see.
 * Borrowed. */
Vm *manager_find(const Manager *manager, const char *name, const char *id, const WirePeer *peer);

/* Forgets a CVM that is not live: record, console logs, table. */
void manager_remove(Manager *manager, Vm *vm);
/* The same by the daemon's own decision, which the log and the event's detail state: KEY: VALUE. */
void manager_remove_because(Manager *manager, Vm *vm, const char *key, const char *value);
