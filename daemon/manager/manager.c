/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/manager.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "api/machine.h"
#include "artifact/embedded.h"
#include "base/fail_point.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/residence.h"
#include "driver/driver_libvirt.h"
#include "launch/recover.h"
#include "local/log.h"
#include "vm/confine.h"
#include "vm/record.h"
#include "vm/vm_logs.h"

/* Opens PATH or PATH/NAME as a directory that is the daemon's alone. */
static int open_directory(const char *path, const char *name, mode_t mode, int *ret,
                          CvmError *error)
{
        _cleanup_free_ char *full = NULL;
        int fd;

        if (asprintf(&full, "%s%s%s", path, name ? "/" : "", name ?: "") < 0)
                return cvm_error_system(error, -ENOMEM, "open a directory");
        fd = dir_open_private(full, mode);
        if (fd == -EPERM)
                return cvm_error_system(error, fd,
                                        "use directory %s: it must belong to the daemon's user and "
                                        "be writable by nobody else",
                                        full);
        if (fd < 0)
                return cvm_error_system(error, fd, "open directory %s", full);
        *ret = fd;
        return 0;
}

/* For as long as the daemon lives: two in one directory would undo each other's launches. */
static int lock_directory(int fd, const char *path, CvmError *error)
{
        int r;

        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        r = -errno;
        return r == -EWOULDBLOCK ? cvm_error_system(error, -EBUSY,
                                                    "use directory %s: another daemon does", path)
                                 : cvm_error_system(error, r, "lock directory %s", path);
}

void manager_unlock(const Manager *manager)
{
        flock(manager->vms_fd, LOCK_UN);
        flock(manager->records_fd, LOCK_UN);
}

/* Wiping does not reach what was written to a disk. */
static void warn_of_secrets(const Manager *manager, const char *runtime)
{
        Residence residence =
                residence_of(manager->shares_fd, "/proc/self/mountinfo", "/proc/swaps");

        if (residence == RESIDENCE_DISK)
                log_warning("%s/shares is on a disk: environments and certificates of CVMs would "
                            "be written to it; use a runtime directory on a tmpfs",
                            runtime);
        else if (residence == RESIDENCE_SWAPPABLE)
                log_warning("%s/shares can be swapped to a disk, and environments and certificates "
                            "of CVMs with it; start cvmd-secrets.service before, or mount a tmpfs "
                            "with noswap there",
                            runtime);
}

static int open_directories(Manager *manager, const ManagerDirectories *directories,
                            CvmError *error)
{
        /* The socket lies in RUNTIME: those whom its mode admits must be able to reach it. */
        mode_t runtime_mode = manager->privileged ? 0755 : 0700;
        const struct {
                const char *path, *name;
                mode_t mode;
                int *fd;
                bool own; /* what another daemon would take for left over */
        } all[] = {
                {directories->runtime, NULL, runtime_mode, &manager->runtime_fd},
                {directories->runtime, "vms", 0700, &manager->vms_fd, true},
                {directories->runtime, "shares", 0700, &manager->shares_fd},
                {directories->state, NULL, 0700, &manager->state_fd},
                {directories->state, "records", 0700, &manager->records_fd, true},
                {directories->state, "consoles", 0700, &manager->consoles_fd},
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

static void ask_qemus(Manager *manager);

static int open_qemu_cache(Manager *manager, const ManagerDirectories *directories, CvmError *error)
{
        int fd, r = open_directory(directories->state, "qemu-cache", 0700, &fd, error);

        if (r == 0 && (r = qemu_cache_new(fd, &manager->qemus)) < 0)
                cvm_error_system(error, r, "start");
        return r;
}

static void find_groups(Manager *manager)
{
        struct group *group = getgrnam(manager->config->admins_group);
        struct passwd *user;

        if (group) {
                manager->has_admins = true;
                manager->admins = group->gr_gid;
        }
        group = getgrnam(manager->config->users_group);
        if (group) {
                manager->has_users = true;
                manager->users = group->gr_gid;
        }
        user = manager->privileged ? getpwnam(manager->config->libvirt_user) : NULL;
        manager->libvirt_uid = user ? user->pw_uid : 0;
        manager->libvirt_gid = user ? user->pw_gid : 0;
}

/* QEMUs that libvirt starts get to shares and companions of their own by path: to pass is not to
 * list, and what lies there is its QEMU's alone. */
static int open_paths(Manager *manager, CvmError *error)
{
        const int directories[] = {manager->shares_fd, manager->vms_fd};
        int r = artifact_files_new(manager->runtime_fd, manager->libvirt_gid, &manager->files);

        for (size_t i = 0;
             r == 0 && manager->privileged && manager->libvirt_gid && i < ARRAY_SIZE(directories);
             i++)
                if (fchown(directories[i], (uid_t)-1, manager->libvirt_gid) < 0 ||
                    fchmod(directories[i], 0710) < 0)
                        r = -errno;
        return r < 0 ? cvm_error_file(error, r, manager->runtime_fd, NULL,
                                      "open the directories of")
                     : 0;
}

void manager_configure(Manager *manager, const Config *config)
{
        manager->config = config;
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
        manager->loop = loop;
        manager->runtime_fd = manager->vms_fd = manager->shares_fd = -1;
        manager->state_fd = manager->records_fd = manager->consoles_fd = -1;
        manager->machines_fd = -1;
        manager->privileged = geteuid() == 0;
        manager_configure(manager, config);
        find_groups(manager);
        manager->systemd = confine_bus(loop);

        r = process_boot_id(manager->boot_id);
        if (r < 0)
                cvm_error_system(error, r, "read the boot id");
        if (r == 0)
                r = open_directories(manager, directories, error);
        if (r == 0 && !(manager->runtime_path = realpath(directories->runtime, NULL)))
                r = cvm_error_system(error, -errno, "find directory %s", directories->runtime);
        if (r == 0)
                r = template_set_load(config->templates, &manager->templates, error);
        if (r == 0 && (r = host_probe("", &manager->host)) < 0)
                cvm_error_system(error, r, "probe the host");
        if (r == 0 && (r = artifact_store_new(embedded_artifacts, &manager->artifacts)) < 0)
                cvm_error_system(error, r, "list the embedded artifacts");
        if (r == 0)
                r = open_qemu_cache(manager, directories, error);
        if (r == 0 && !((manager->artifact_ledger = ledger_new("artifacts of one user")) &&
                        (manager->secret_ledger = ledger_new("secrets of one user"))))
                r = cvm_error_system(error, -ENOMEM, "start");
        if (r == 0 &&
            (!(manager->turns = turns_new(loop)) || !(manager->log_turns = turns_new(loop))))
                r = cvm_error_system(error, -ENOMEM, "start");
        if (r == 0)
                ask_qemus(manager);
        if (r == 0 && (r = events_new(manager->state_fd, &manager->events)) < 0)
                cvm_error_system(error, r, "start");
        if (r == 0)
                r = machines_init(manager, directories->runtime, error);
        if (r == 0)
                r = open_paths(manager, error);
        manager->home.loop = loop;
        if (r == 0 && (r = libvirt_home_new(loop, config->libvirt_uri, &manager->home.libvirt)) < 0)
                cvm_error_system(error, r, "start");
        if (r == 0)
                r = recover(manager, error);
        if (r == 0)
                host_access_apply(manager);
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
        host_access_end(manager);
        while (manager->n_vms > 0) {
                Vm *vm = manager->vms[--manager->n_vms];

                vm_close(vm);
                vm_unref(vm);
        }
        if (manager->turns)
                turns_close(manager->turns);
        if (manager->log_turns)
                turns_close(manager->log_turns);
        machines_done(manager);
        manager->systemd = bus_free(manager->systemd);
        libvirt_home_close(TAKE_PTR(manager->home.libvirt));
}

Manager *manager_free(Manager *manager)
{
        if (!manager)
                return NULL;
        free(manager->runtime_path);
        events_free(manager->events);
        artifact_files_free(manager->files);
        artifact_store_free(manager->artifacts);
        qemu_cache_free(manager->qemus);
        turns_free(manager->turns);
        turns_free(manager->log_turns);
        ledger_free(manager->artifact_ledger);
        ledger_free(manager->secret_ledger);
        free(manager->stray_uids);
        manager_unlock(manager); /* a child that has not become another program would keep it */
        host_facts_free(manager->host);
        template_set_free(manager->templates);
        closep(&manager->runtime_fd);
        closep(&manager->vms_fd);
        closep(&manager->shares_fd);
        closep(&manager->state_fd);
        closep(&manager->records_fd);
        closep(&manager->consoles_fd);
        free(manager->vms);
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

/* The index of the name, or where it would be inserted (*ret_found false). */
static size_t search(const Manager *manager, const char *name, bool *ret_found)
{
        size_t low = 0, high = manager->n_vms;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(manager->vms[middle]->name, name);

                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

Vm *manager_find_any(const Manager *manager, const char *name)
{
        bool found;
        size_t i = search(manager, name, &found);

        return found ? manager->vms[i] : NULL;
}

Vm *manager_find(const Manager *manager, const char *name, const WirePeer *peer)
{
        Vm *vm = manager_find_any(manager, name);

        return vm && manager_may_see(manager, peer, vm->owner) ? vm : NULL;
}

Vm *manager_find_id(const Manager *manager, const char *id)
{
        for (size_t i = 0; i < manager->n_vms; i++)
                if (strcmp(manager->vms[i]->id, id) == 0)
                        return manager->vms[i];
        return NULL;
}

Vm *manager_find_cid(const Manager *manager, uint32_t cid)
{
        for (size_t i = 0; i < manager->n_vms; i++)
                if (manager->vms[i]->vsock_cid == cid && vm_state_is_live(manager->vms[i]->state))
                        return manager->vms[i];
        return NULL;
}

int manager_add(Manager *manager, Vm *vm)
{
        bool found;
        size_t i = search(manager, vm->name, &found);

        if (found)
                return -EEXIST;
        if (manager->n_vms == manager->allocated_vms) {
                size_t n = manager->allocated_vms ? manager->allocated_vms * 2 : 16;
                Vm **grown = reallocarray(manager->vms, n, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                manager->vms = grown;
                manager->allocated_vms = n;
        }
        memmove(manager->vms + i + 1, manager->vms + i,
                (manager->n_vms - i) * sizeof(*manager->vms));
        manager->vms[i] = vm_ref(vm);
        manager->n_vms++;
        return 0;
}

static void log_file_failed(const Vm *vm, int r, const char *operation, int dirfd, const char *name)
{
        _cleanup_free_ char *path = file_path_at(dirfd, name);

        log_emit(LOG_LEVEL_ERROR, vm->name, vm->id, "cannot %s %s: %s", operation, path ?: "",
                 strerror(-r));
}

static char *record_name(const Vm *vm)
{
        char *name;

        return asprintf(&name, "%s.json", vm->id) < 0 ? NULL : name;
}

void manager_remove(Manager *manager, Vm *vm)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);
        _cleanup_free_ char *name = record_name(vm);
        bool found;
        size_t i = search(manager, vm->name, &found);

        if (!found || manager->vms[i] != vm)
                return;
        fail_point("remove: record");
        if (!name || (unlinkat(manager->records_fd, name, 0) < 0 && errno != ENOENT))
                log_file_failed(vm, -errno, "remove its record", manager->records_fd, name);
        fail_point("remove: console");
        vm_logs_remove(manager, vm);
        manager_emit(manager, vm, "removed", NULL, NULL, NULL);
        memmove(manager->vms + i, manager->vms + i + 1,
                (manager->n_vms - i - 1) * sizeof(*manager->vms));
        manager->n_vms--;
        vm_close(vm);
        vm_unref(vm);
}

int manager_persist(Manager *manager, const Vm *vm)
{
        _cleanup_json_ json_object *record = record_from_vm(vm, manager->boot_id);
        _cleanup_free_ char *name = record_name(vm);
        const char *text = json_text(record);
        int r;

        if (!name || !text)
                r = -ENOMEM;
        else
                r = file_write_atomic_at(manager->records_fd, name, text, strlen(text), 0600);
        if (r < 0)
                log_file_failed(vm, r, "write its record", manager->records_fd, name);
        return r;
}

int manager_persist_error(const Manager *manager, const Vm *vm, int r, CvmError *error)
{
        _cleanup_free_ char *name = record_name(vm);

        return cvm_error_file(error, r, manager->records_fd, name, "write the CVM's record");
}

void manager_emit(Manager *manager, const Vm *vm, const char *kind, const char *old_state,
                  const char *new_state, json_object *detail)
{
        events_emit(manager->events, vm->owner, vm->name, vm->id, kind, old_state, new_state,
                    detail);
}

bool manager_use_kvm(const Manager *manager)
{
        const char *accelerator = manager->config->accelerator;

        if (strcmp(accelerator, "auto") == 0)
                return manager->host->kvm_usable;
        return strcmp(accelerator, "kvm") == 0;
}

static bool host_passes(const Manager *manager, const Template *template)
{
        for (const char *const *name = template_host_checks(template); *name; name++) {
                _cleanup_(host_check_done) HostCheck check = {};

                if (host_check(manager->host, *name, &check) < 0 || !check.passed)
                        return false;
        }
        return true;
}

/* As far as it is known: the platform's QEMU has what it needs. */
static bool qemu_can_run(const Manager *manager, const Template *template)
{
        _cleanup_free_ char *path =
                config_qemu(manager->config, template_name(template), template_qemu(template));
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe =
                path ? qemu_cache_peek(manager->qemus, path) : NULL;
        _cleanup_(host_check_list_done) HostCheckList missing = {};

        return !probe ||
               (qemu_needs_check(probe, path, template_requires_qemu(template), &missing) == 0 &&
                missing.n == 0);
}

static bool host_can_run(const Manager *manager, const Template *template)
{
        return host_passes(manager, template) && qemu_can_run(manager, template);
}

/* `auto` shall know what QEMU lacks from the first launch on. Only where the host could run a
 * confidential platform: there the start may wait for QEMU's answer once. */
static void ask_qemus(Manager *manager)
{
        for (size_t i = 0; i < template_set_size(manager->templates); i++) {
                const Template *template = template_set_get(manager->templates, i);
                _cleanup_free_ char *path = NULL;

                if (!template_is_confidential(template) || !host_passes(manager, template))
                        continue;
                path = config_qemu(manager->config, template_name(template),
                                   template_qemu(template));
                if (path)
                        qemu_probe_unref(qemu_cache_get(manager->qemus, path));
        }
}

static bool is_embedded(const Manager *manager, SpecArtifactKind kind, const char *name)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        _cleanup_(cvm_error_done) CvmError ignored = {};

        return artifact_store_find_embedded(manager->artifacts, kind, name, &artifact, &ignored) ==
               0;
}

/* Whether the CVM would have all that the template needs, from the spec or from the daemon itself.
 */
static bool has_artifacts(const Manager *manager, const Template *template, const CvmSpec *spec)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = template_default_artifact(template, kind, spec && spec->debug);

                if (!template_needs_artifact(template, kind))
                        continue;
                if (spec && (spec->artifacts[kind].name || spec->artifacts[kind].path ||
                             spec->artifacts[kind].fd >= 0))
                        continue;
                if (name && is_embedded(manager, kind, name))
                        continue;
                if (!template_default_path(template, kind) ||
                    access(template_default_path(template, kind), R_OK) < 0)
                        return false;
        }
        return true;
}

bool manager_template_is_available(const Manager *manager, const Template *template)
{
        return host_can_run(manager, template) && has_artifacts(manager, template, NULL);
}

int manager_choose_template(const Manager *manager, const CvmSpec *spec, const Template **ret,
                            CvmError *error)
{
        const Template *best = NULL, *bare = NULL; /* bare: the host could run it */

        if (strcmp(spec->platform, "auto") != 0) {
                best = template_set_find(manager->templates, spec->platform);
                if (!best)
                        return cvm_error_invalid_spec(error, "platform",
                                                      "there is no template '%s'; `cvmctl "
                                                      "templates` lists those there are",
                                                      spec->platform);
                *ret = best;
                return 0;
        }
        for (size_t i = 0; i < template_set_size(manager->templates); i++) {
                const Template *template = template_set_get(manager->templates, i);

                if (template_strength(template) == 0 || !host_can_run(manager, template))
                        continue;
                if (!bare || template_strength(template) > template_strength(bare))
                        bare = template;
                if (has_artifacts(manager, template, spec) &&
                    (!best || template_strength(template) > template_strength(best)))
                        best = template;
        }
        if (!best && bare)
                return cvm_error_host(
                        error, "platform",
                        "without what it boots: this cvmd has no kernel and initramfs "
                        "for it embedded",
                        "both in the spec",
                        "name them (--kernel, --initramfs), or build cvmd with them, "
                        "as scripts/quickstart does");
        if (!best)
                return cvm_error_host(error, "platform", "none that this host can run",
                                      "a template whose host checks pass",
                                      "`cvmctl doctor` says what each one lacks");
        *ret = best;
        return 0;
}
