/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/manager.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "artifact/embedded.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/fail_point.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/residence.h"
#include "base/text.h"
#include "local/log.h"
#include "manager/platform.h"
#include "vm/confine.h"
#include "vm/record.h"
#include "vm/vm_logs.h"

#define LOCK_MSEC 2000 /* for a lock whose owner is ending */

/* Opens PATH or PATH/NAME as a directory that is the daemon's alone. */
static int open_directory(const char *path, const char *name, mode_t mode, int *ret,
                          CvmError *error)
{
        _cleanup_free_ char *full = NULL;
        int fd;

        full = text_format("%s%s%s", path, name ? "/" : "", name ?: "");
        if (!full)
                return cvm_error_system(error, -ENOMEM, "open a directory");
        fd = dir_open_private(full, mode);
        if (fd == -EPERM)
                return cvm_error_system(error, fd,
                                        "use directory %s, which must belong to the daemon's user "
                                        "and be writable only by that user",
                                        full);
        if (fd < 0)
                return cvm_error_system(error, fd, "open directory %s", full);
        *ret = fd;
        return 0;
}

/* For as long as the daemon lives: two in one directory would undo each other's launches. A child
 * that a killed daemon was just making has the lock until it has closed what it inherited. */
static int lock_directory(int fd, const char *path, CvmError *error)
{
        const int64_t end = clock_monotonic_msec() + LOCK_MSEC;
        int r;

        while ((r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0) == -EWOULDBLOCK &&
               clock_monotonic_msec() < end)
                nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
        if (r == 0)
                return 0;
        return r == -EWOULDBLOCK
                       ? cvm_error_system(error, -EBUSY,
                                          "use directory %s, which another cvmd already uses", path)
                       : cvm_error_system(error, r, "lock directory %s", path);
}

void manager_unlock(const Manager *manager)
{
        flock(manager->home.vms_fd, LOCK_UN);
        flock(manager->home.records_fd, LOCK_UN);
}

/* Wiping does not reach what was written to a disk. */
static void warn_of_secrets(const Manager *manager, const char *runtime)
{
        Residence residence =
                residence_of(manager->home.shares_fd, "/proc/self/mountinfo", "/proc/swaps");

        if (residence == RESIDENCE_DISK)
                log_warning("%s/shares is on a disk: environments and certificates of CVMs would "
                            "be written to it; use a runtime directory on a tmpfs",
                            runtime);
        else if (residence == RESIDENCE_SWAPPABLE)
                log_warning("%s/shares can be swapped to a disk, including environments and "
                            "certificates of CVMs; start cvmd-secrets.service first, or mount a "
                            "tmpfs with noswap there",
                            runtime);
}

static int open_directories(Manager *manager, const ManagerDirectories *directories,
                            CvmError *error)
{
        /* The socket lies in RUNTIME: those whom its mode admits must be able to reach it. */
        mode_t runtime_mode = manager->privileged ? 0755 : 0700;
        /* Users may read images below STATE, and nothing else: all else there is the daemon's. */
        mode_t state_mode = manager->privileged ? 0711 : 0700;
        const struct {
                const char *path, *name;
                mode_t mode;
                int *fd;
                bool own; /* what another daemon would take for left over */
        } all[] = {
                {directories->runtime, NULL, runtime_mode, &manager->runtime_fd},
                {directories->runtime, "vms", 0700, &manager->home.vms_fd, true},
                {directories->runtime, "shares", 0700, &manager->home.shares_fd},
                {directories->state, NULL, state_mode, &manager->state_fd},
                {directories->state, "records", 0700, &manager->home.records_fd, true},
                {directories->state, "consoles", 0700, &manager->home.consoles_fd},
        };

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                int r = open_directory(all[i].path, all[i].name, all[i].mode, all[i].fd, error);

                if (r == 0 && all[i].own)
                        r = lock_directory(*all[i].fd, all[i].path, error);
                if (r < 0)
                        return r;
        }
        warn_of_secrets(manager, directories->runtime);
        return 0;
}

static int open_qemu_cache(Manager *manager, const ManagerDirectories *directories, CvmError *error)
{
        int fd, r = open_directory(directories->state, "qemu-cache", 0700, &fd, error);

        if (r == 0 && (r = qemu_cache_new(fd, &manager->qemus)) < 0)
                cvm_error_system(error, r, "start");
        return r;
}

static void find_groups(Manager *manager)
{
        struct group *group = getgrnam(manager->home.config->admins_group);

        if (group) {
                manager->has_admins = true;
                manager->admins = group->gr_gid;
        }
        group = getgrnam(manager->home.config->users_group);
        if (group) {
                manager->has_users = true;
                manager->users = group->gr_gid;
        }
}

/* The hypervisors of a driver may get to their own shares and companions by path: they may pass
 * these directories, and not list them; what lies there is one hypervisor's alone. */
static int open_paths(Manager *manager, CvmError *error)
{
        const int directories[] = {manager->home.shares_fd, manager->home.vms_fd};
        gid_t gid = drivers_gid(&manager->home.drivers);
        int r = artifact_files_new(manager->runtime_fd, gid, &manager->home.files);

        for (size_t i = 0; r == 0 && gid && i < ARRAY_SIZE(directories); i++)
                if (fchown(directories[i], (uid_t)-1, gid) < 0 || fchmod(directories[i], 0710) < 0)
                        r = -errno;
        return r < 0 ? cvm_error_file(error, r, manager->runtime_fd, NULL,
                                      "open the directories of")
                     : 0;
}

static void on_artifact_fault(const CvmError *error)
{
        log_failure(LOG_LEVEL_WARNING, NULL, NULL, "an installed file of the guest is left out",
                    error);
}

static int list_artifacts(Manager *manager, const char *guest, CvmError *error)
{
        int r = artifact_store_new(embedded_artifacts, &manager->artifacts);

        if (r < 0)
                return cvm_error_system(error, r, "list the embedded artifacts");
        r = artifact_store_install(manager->artifacts, guest, on_artifact_fault);
        if (r < 0)
                log_warning("the guest's files in %s are left out: %s", guest, strerror(-r));
        return 0;
}

void manager_configure(Manager *manager, const Config *config)
{
        manager->home.config = config;
        /* a cursor must be within its range */
        manager->cid_cursor = config->cid_first;
        manager->uid_cursor = config->uid_first;
}

int manager_new(uv_loop_t *loop, const Config *config, const ManagerDirectories *directories,
                Manager **ret, CvmError *error)
{
        Manager *manager = calloc(1, sizeof(*manager));
        int r;

        if (!manager)
                return cvm_error_system(error, -ENOMEM, "start");
        manager->home.loop = loop;
        manager->home.metrics.started_at = clock_now_usec();
        manager->runtime_fd = manager->home.vms_fd = manager->home.shares_fd = -1;
        manager->state_fd = manager->home.records_fd = manager->home.consoles_fd = -1;
        manager->privileged = geteuid() == 0;
        manager_configure(manager, config);
        find_groups(manager);
        manager->home.systemd = confine_bus(loop);

        r = process_boot_id(manager->home.boot_id);
        if (r < 0)
                cvm_error_system(error, r, "read the boot id");
        if (r == 0)
                r = open_directories(manager, directories, error);
        if (r == 0 && (!(manager->home.records = committer_new(loop, manager->home.records_fd)) ||
                       !(manager->home.disk = disk_queue_new(loop))))
                r = cvm_error_system(error, -ENOMEM, "start");
        if (r == 0 && !(manager->home.runtime_path = realpath(directories->runtime, NULL)))
                r = cvm_error_system(error, -errno, "find directory %s", directories->runtime);
        if (r == 0)
                r = template_set_load(config->templates, &manager->templates, error);
        if (r == 0 && (r = host_probe("", &manager->host)) < 0)
                cvm_error_system(error, r, "probe the host");
        if (r == 0)
                r = list_artifacts(manager, config->guest, error);
        if (r == 0)
                r = open_qemu_cache(manager, directories, error);
        if (r == 0 && !((manager->home.artifact_ledger = ledger_new("artifacts of one user")) &&
                        (manager->home.secret_ledger = ledger_new("secrets of one user")) &&
                        (manager->home.console_ledger = ledger_new("consoles of one user"))))
                r = cvm_error_system(error, -ENOMEM, "start");
        if (r == 0 &&
            (!(manager->turns = turns_new(loop, TURNS_OF_A_USER, TURNS_OF_OTHERS, 0)) ||
             !(manager->home.turns = turns_new(loop, TURNS_OF_A_USER, TURNS_OF_OTHERS, 0)) ||
             !(manager->home.large_turns = turns_new(loop, TURNS_LARGE_OF_A_USER,
                                                     TURNS_LARGE_OF_OTHERS, TURNS_LARGE_REST))))
                r = cvm_error_system(error, -ENOMEM, "start");
        if (r == 0)
                platforms_ask_qemus(manager);
        if (r == 0 && (r = events_new(loop, manager->state_fd, manager->home.boot_id,
                                      &manager->home.events)) < 0)
                cvm_error_system(error, r, "start");
        if (r == 0 && (r = request_key_load(manager->state_fd, &manager->request_key)) < 0)
                cvm_error_system(error, r, "read the key in the state directory");
        if (r == 0 && (r = drivers_init(&manager->home.drivers, driver_all, loop, config)) < 0)
                cvm_error_system(error, r, "start");
        if (r == 0)
                r = open_paths(manager, error);
        if (r < 0) {
                manager_close(manager);
                *ret = manager; /* its handles close in the loop; the caller frees it after */
                return r;
        }
        *ret = manager;
        return 0;
}

void manager_close(Manager *manager)
{
        while (manager->home.table.n_ids > 0) {
                Vm *vm = manager->home.table.by_id[manager->home.table.n_ids - 1];

                vm_close(vm);
                vm_table_remove(&manager->home.table, vm);
        }
        if (manager->turns)
                turns_close(manager->turns);
        if (manager->home.turns)
                turns_close(manager->home.turns);
        if (manager->home.large_turns)
                turns_close(manager->home.large_turns);
        manager->home.systemd = bus_free(manager->home.systemd);
        drivers_close(&manager->home.drivers);
}

Manager *manager_free(Manager *manager)
{
        if (!manager)
                return NULL;
        committer_free(manager->home.records); /* before another daemon may have them */
        disk_queue_free(manager->home.disk);
        drivers_free(&manager->home.drivers);
        free(manager->home.runtime_path);
        events_free(manager->home.events);
        artifact_files_free(manager->home.files);
        artifact_store_free(manager->artifacts);
        qemu_cache_free(manager->qemus);
        turns_free(manager->turns);
        turns_free(manager->home.turns);
        turns_free(manager->home.large_turns);
        ledger_free(manager->home.artifact_ledger);
        ledger_free(manager->home.secret_ledger);
        ledger_free(manager->home.console_ledger);
        free(manager->orphan_uids);
        manager_unlock(manager); /* a child that has not become another program would keep it */
        host_facts_free(manager->host);
        template_set_free(manager->templates);
        closep(&manager->runtime_fd);
        closep(&manager->home.vms_fd);
        closep(&manager->home.shares_fd);
        closep(&manager->state_fd);
        closep(&manager->home.records_fd);
        closep(&manager->home.consoles_fd);
        vm_table_done(&manager->home.table);
        explicit_bzero(&manager->request_key, sizeof(manager->request_key));
        free(manager);
        return NULL;
}

bool manager_is_admin(const Manager *manager, const WirePeer *peer)
{
        return peer->uid == 0 || peer->uid == geteuid() ||
               (manager->has_admins && wire_peer_in_group(peer, manager->admins));
}

bool manager_may_see(const Manager *manager, const WirePeer *peer, uid_t owner)
{
        return peer->uid == owner || manager_is_admin(manager, peer);
}

Vm *manager_find(const Manager *manager, const char *name, const char *id, const WirePeer *peer)
{
        const VmTable *table = &manager->home.table;
        Vm *vm = id ? vm_table_find_id(table, id) : vm_table_find(table, name);

        if (!vm || (name && strcmp(vm->name, name) != 0))
                return NULL;
        return manager_may_see(manager, peer, vm->owner) ? vm : NULL;
}

static void manager_remove_detailed(Manager *manager, Vm *vm, json_object *detail)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);
        _cleanup_json_ json_object *owned = detail;

        if (!vm_table_has(&manager->home.table, vm))
                return;
        fail_point("remove: record");
        record_remove(vm);
        fail_point("remove: console");
        vm_logs_remove(vm);
        vm_emit(vm, "removed", NULL, NULL, TAKE_PTR(owned));
        vm_table_remove(&manager->home.table, vm);
        vm_close(vm);
}

void manager_remove(Manager *manager, Vm *vm)
{
        manager_remove_detailed(manager, vm, NULL);
}

void manager_remove_because(Manager *manager, Vm *vm, const char *key, const char *value)
{
        log_emit(LOG_LEVEL_INFO, vm->name, vm->id, "removed: %s %s", key, value);
        manager_remove_detailed(manager, vm, json_build(key, json_new_text(value), NULL));
}
