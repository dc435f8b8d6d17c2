/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of CVMs, what they share, and admission.
 *
 * Directories (all private to the daemon's uid):
 *   STATE/records/ID.json   a record a CVM (record.h)
 *   STATE/consoles/ID…      console logs
 *   STATE/sequence          event numbers (events.h)
 *   STATE/qemu-cache/       what QEMU binaries can do (host/qemu_probe.h)
 *   RUNTIME/vms/ID/         sockets of a live CVM
 *   RUNTIME/machines/ID     control socket of a live CVM (machine.h)
 *   RUNTIME/artifacts/      what drivers that go by path boot from (artifact_files.h)
 *   RUNTIME/shares/ID/      environment and certificates of a live CVM; secret
 */

#include <sys/queue.h>

#include "artifact/artifact.h"
#include "host/host.h"
#include "local/artifact_files.h"
#include "local/config.h"
#include "local/qemu_cache.h"
#include "local/turns.h"
#include "manager/host_access.h"
#include "systemd/bus.h"
#include "template/template.h"
#include "vm/events.h"
#include "vm/ledger.h"
#include "vm/vm.h"

struct Manager {
        uv_loop_t *loop;
        const Config *config;
        TemplateSet *templates;
        HostFacts *host;
        ArtifactStore *artifacts;
        ArtifactFiles *files; /* of drivers that go by path */
        QemuCache *qemus;
        Ledger *artifact_ledger, *secret_ledger;
        Turns *turns;              /* to read files of users in, which may never answer */
        Turns *log_turns;          /* to read the daemon's own files in, which do */
        Bus *systemd;              /* the service manager, or NULL (confine.h) */
        struct Machined *machined; /* NULL: CVMs are no machines (machine.h) */
        char *machines_path;       /* of their control sockets, where they are */
        int machines_fd;
        Events *events;
        int runtime_fd, vms_fd, shares_fd;     /* below RUNTIME */
        int state_fd, records_fd, consoles_fd; /* below STATE */
        char *runtime_path;                    /* RUNTIME, absolute */
        uid_t libvirt_uid; /* that QEMUs of libvirt's run as; 0: the daemon is not root, or there
                            * is no such user */
        gid_t libvirt_gid; /* likewise */
        bool has_admins, has_users, privileged; /* groups cvm-admin and cvm exist; euid is 0 */
        gid_t admins, users;
        HostAccess host_access; /* of guests */
        char boot_id[37];
        bool closing;                         /* no launch is begun any more */
        LIST_HEAD(Launches, Launch) launches; /* those that are not done yet (launch.h) */
        uint32_t notify_port;                 /* vsock port of guests' notifications; 0: none */
        uint16_t port_cursor;                 /* where the search for a free port goes on */
        uint32_t cid_cursor;
        uid_t uid_cursor;
        uid_t *stray_uids; /* owned; strays.h */
        size_t n_stray_uids;
        DriverHome home;
        Vm **vms; /* sorted by name; a reference each */
        size_t n_vms, allocated_vms;
};

typedef struct ManagerDirectories {
        const char *runtime, *state;
} ManagerDirectories;

/* config must outlive the manager. Recovers what the records tell of (recover.h). */
int manager_new(uv_loop_t *loop, const Config *config, const ManagerDirectories *directories,
                Manager **ret, CvmError *error);
/* Lets go of all CVMs without ending them; handles close in the loop's next rounds, after which
 * manager_free() may be called. */
void manager_close(Manager *manager);
/* Lets another daemon use the directories. */
void manager_unlock(const Manager *manager);
/* What is done from now on is done by another configuration; live CVMs keep what they were given.
 */
void manager_configure(Manager *manager, const Config *config);
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP(Manager *, manager_free)

/* root, the daemon's own uid and members of the admins' group see all, others their own. */
bool manager_is_admin(const Manager *manager, const WirePeer *peer);
bool manager_may_see(const Manager *manager, const WirePeer *peer, uid_t owner);
/* NULL: no CVM of that name that the peer may see. Borrowed. */
Vm *manager_find(const Manager *manager, const char *name, const WirePeer *peer);
/* Whoever's it is. */
Vm *manager_find_any(const Manager *manager, const char *name);
Vm *manager_find_id(const Manager *manager, const char *id);
Vm *manager_find_cid(const Manager *manager, uint32_t cid);

/* What a launch gets. */
typedef struct Admission {
        const CvmSpec *spec;
        const Template *template;
        const char *id; /* NULL: a new one */
        const WirePeer *peer;
} Admission;

/* The template that the spec's platform names, or the strongest available one for auto. */
int manager_choose_template(const Manager *manager, const CvmSpec *spec, const Template **ret,
                            CvmError *error);
bool manager_template_is_available(const Manager *manager, const Template *template);
bool manager_use_kvm(const Manager *manager);

/* Checks name, quota and memory, holds ports and CID, and adds a CVM in state preparing. A stopped
 * or failed CVM of the same name and owner is removed first. */
int manager_admit(Manager *manager, const Admission *admission, Vm **ret, CvmError *error);
/* Adds the CVM's name if the peer may know of it; returns holders. */
json_object *manager_holders_add(json_object *holders, const Manager *manager, const WirePeer *peer,
                                 const Vm *vm);
/* wanted 0: any free one of the configured range. *ret_fd: a vhost-vsock device that holds it, or
 * -1 on a host that has none. */
int manager_hold_cid(Manager *manager, const WirePeer *peer, uint32_t wanted, uint32_t *ret,
                     int *ret_fd, CvmError *error);
/* Ports that the spec left open are chosen again; those given stay. */
int manager_hold_ports(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                       CvmError *error);
/* The ports and the CID of a restarting CVM, as far as they are not held: the same again, or where
 * the spec (NULL: none is looked at) left a port open, another. */
int manager_hold_again(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                       CvmError *error);
/* Adds a CVM found by a record; -EEXIST: the name is taken. */
int manager_add(Manager *manager, Vm *vm);
/* Forgets a CVM that is not live: record, console logs, table. */
void manager_remove(Manager *manager, Vm *vm);

/* Writes the record. A failure is logged and returned. */
int manager_persist(Manager *manager, const Vm *vm);
/* The SystemError of such a failure, with the record's path. */
int manager_persist_error(const Manager *manager, const Vm *vm, int r, CvmError *error);
void manager_emit(Manager *manager, const Vm *vm, const char *kind, const char *old_state,
                  const char *new_state, json_object *detail);
