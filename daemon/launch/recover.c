/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "launch/restart.h"
#include "local/log.h"
#include "manager/orphans.h"
#include "vm/charges.h"
#include "vm/confine.h"
#include "vm/record.h"
#include "vm/shares.h"
#include "vm/vm_logs.h"

/* Reads a record that this daemon's uid wrote and nobody else can have. */
static int read_record(Manager *manager, const char *file, json_object **ret,
                       const char **ret_reason)
{
        _cleanup_close_ int fd = openat(manager->home.records_fd, file,
                                        O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        _cleanup_free_ char *data = NULL;
        struct stat st;
        size_t size;
        int r;

        *ret_reason = "it cannot be read";
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022)) {
                *ret_reason = "it is not a private file of this daemon";
                return -EBADMSG;
        }
        r = fd_read_all(fd, RECORD_BYTES_MAX, &data, &size);
        if (r < 0)
                return r;
        *ret_reason = "it is not valid JSON";
        return json_parse(data, size, ret, NULL);
}

/* The records of cvmd 0.1.0 do not say it. */
static void recover_confidential(const Manager *manager, Vm *vm, json_object *record)
{
        const Template *template = template_set_find(manager->templates, vm->platform);

        if (!json_member(record, "confidential"))
                vm->confidential = template && template_is_confidential(template);
}

/* Nobody saw it end: what was known before is all that can be known. */
static void end_unseen(Manager *manager, Vm *vm, const char *detail)
{
        const DriverEnding ending = {.kind = ENDING_LOST, .log = detail};

        restart_ended(manager, vm, &ending);
}

/* Its launch was not done when the daemon ended, or had failed and was to leave nothing. What
 * happens to it is decided once all records are read: there may be an older CVM of its name. */
static void defer_launch(Vm *vm, json_object *record, bool same_boot)
{
        vm->given_up = true;
        vm->may_have_run =
                vm->remove == SPEC_REMOVE_NEVER && json_member_bool(record, "hypervisor", false);
        if (vm->may_have_run && !same_boot) /* the removal of an older one may not be on the disk */
                vm->kept = true;
}

/* As after any launch that fails, the CVM is kept if its hypervisor may have run, or was kept
 * before. */
static void give_up_launch(Manager *manager, Vm *vm)
{
        vm->given_up = false;
        if (vm_state_is_live(vm->state)) {
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id,
                         "its launch was not done when the daemon ended: undone");
                vm_release(vm);
        }
        vm->kept |= vm->may_have_run;
        if (!vm->kept) {
                manager_remove(manager, vm);
                return;
        }
        vm_set_ending(vm, ENDING_LAUNCH_FAILED, "the daemon ended during the launch", NULL);
        vm_set_state(vm, VM_FAILED);
}

static int open_runtime(Manager *manager, Vm *vm)
{
        int fd = openat(manager->home.vms_fd, vm->id,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        vm_process_set_directory(&vm->process, fd);
        return 0;
}

/* Ends what was begun: the process of a launch that is undone must not outlive it. */
static int kill_recorded(Vm *vm, json_object *record)
{
        DriverVm *driver = NULL;
        int r = vm->ops->adopt(vm_driver_home(vm), vm->id, record, vm->process.runtime_dirfd,
                               &vm_driver_callbacks, vm, &driver);

        if (r < 0)
                return r;
        vm->ops->kill(driver);
        vm->ops->close(driver);
        return 0;
}

static int recover_live(Manager *manager, Vm *vm, json_object *record)
{
        bool same_boot = record_is_of_boot(record, manager->home.boot_id);
        int r = same_boot ? open_runtime(manager, vm) : 0;

        if (driver_is_shortage(r))
                return r;
        if (!same_boot) /* a unit of that name would be another's now */
                vm_process_set_scope(&vm->process, NULL);
        if (same_boot)
                r = vm_process_adopt_companions(&vm->process, manager->home.loop, record,
                                                vm->ops->traits.by_path, &vm_companion_callbacks,
                                                vm);
        if (driver_is_shortage(r))
                return r;
        if (same_boot && vm->state == VM_STARTING) {
                r = kill_recorded(vm, record);
                if (driver_is_shortage(r))
                        return r;
        }
        if (vm->restart.pending) {
                vm_release_process(vm);
                if (vm->state != VM_RESTARTING)
                        vm_set_state(vm, VM_RESTARTING);
                vm_arm_expiry(vm);
                restart_resume(manager, vm);
                return 0;
        }
        if (vm->state == VM_PREPARING || vm->state == VM_STARTING) {
                defer_launch(vm, record, same_boot);
                return 0;
        }
        vm_arm_expiry(vm);
        if (!same_boot) {
                end_unseen(manager, vm, "the host was restarted");
                return 0;
        }
        r = vm_process_adopt(&vm->process, vm_driver_home(vm), vm->id, record, &vm_driver_callbacks,
                             vm);
        if (driver_is_shortage(r))
                return r;
        if (r < 0) {
                end_unseen(manager, vm, "the CVM ended while no daemon was running");
                return 0;
        }
        if (vm->limits_in_doubt) { /* an update was not done when the last daemon ended */
                vm->limits_in_doubt = 0;
                confine_restore_limits(vm);
        }
        if (!vm->guest.ready && vm->state == VM_RUNNING)
                vm_arm_ready_timer(vm);
        if (vm->state == VM_STOPPING)
                vm_stop(vm,
                        vm->cause.kind == ENDING_RESTART_REQUESTED ? ENDING_RESTART_REQUESTED
                                                                   : ENDING_STOPPED,
                        false, 0);
        return 0;
}

/* Whether it has the name for itself: not if it has ended, or will have once it is given up. */
static bool recover_is_live(const Vm *vm)
{
        return vm_state_is_live(vm->state) && !vm->given_up;
}

/* A launch that is not done has not yet removed the CVM that it replaces, and a crash may leave the
 * records of both later, too. The one that was read before is put on the shelf. */
static int recover_add(Manager *manager, Vm *vm, Vm **ret_other)
{
        VmTable *table = &manager->home.table;
        Vm *other = vm_table_find(table, vm->name);
        int r;

        if (other && recover_is_live(other) && vm_state_is_live(vm->state))
                return -EEXIST;
        if (other)
                vm_table_shelve(table, other);
        r = vm_table_add(table, vm);
        if (r < 0 && other)
                (void)vm_table_unshelve(table, other);
        if (r == 0)
                *ret_other = other;
        return r;
}

/* Its launch is given up, and nothing says that its hypervisor was let run. */
static bool recover_is_nothing(const Vm *vm)
{
        return vm->given_up && !vm->kept;
}

/* Whether of two CVMs of one name this one stays: the live one, else the newer one. But where the
 * older one is still there, the newer one's hypervisor was not let run (launch_replace()), unless
 * its record says so: such a launch leaves the older one as it was. */
static bool recover_prefers(const Vm *vm, const Vm *other)
{
        if (recover_is_nothing(vm) != recover_is_nothing(other))
                return recover_is_nothing(other);
        if (recover_is_live(vm) != recover_is_live(other))
                return recover_is_live(vm);
        return vm->created_at >= other->created_at;
}

/* vm is in the table, and other on its shelf. */
static void recover_choose(Manager *manager, Vm *vm, Vm *other)
{
        bool is_first = recover_prefers(vm, other);
        Vm *winner = is_first ? vm : other, *loser = is_first ? other : vm;
        bool comes_back = recover_is_nothing(loser) && !winner->given_up;

        if (loser->given_up) {
                loser->kept = loser->may_have_run = false;
                give_up_launch(manager, loser);
        } else {
                manager_remove(manager, loser);
        }
        if (winner == other)
                (void)vm_table_unshelve(&manager->home.table, other);
        if (comes_back) /* a user who follows the events saw the other one take its place */
                vm_emit(winner, "state", NULL, vm_state_name(winner->state), NULL);
}

/* Once all records are read. */
static void recover_give_up(Manager *manager)
{
        const VmTable *table = &manager->home.table;

        for (size_t i = table->n; i > 0; i--) /* one may be removed */
                if (table->vms[i - 1]->given_up)
                        give_up_launch(manager, table->vms[i - 1]);
}

/* Its launch has failed, and was to leave nothing. */
static bool never_was(const Vm *vm)
{
        return !vm_state_is_live(vm->state) && !vm->kept &&
               ending_parse(vm->ending.reason) == ENDING_LAUNCH_FAILED;
}

/* Whether such a record stands where a good one stood, so that the version before it is worth more:
 * bytes that the disk cannot read (EIO, or its file system's EUCLEAN) are lost like those that a
 * crash tore. */
static bool is_lost(int r)
{
        return r == -EBADMSG || r == -EIO || r == -EUCLEAN;
}

/* Brings the record to the disk whose older versions are kept; without that they stay, and a crash
 * of the host may bring them back. */
static int adopt_record(Manager *manager, const char *file)
{
        int r = committer_adopt(manager->home.records, file);

        if (driver_is_shortage(r))
                return r;
        if (r < 0)
                log_error("cannot bring record %s to the disk; older versions of it are kept until "
                          "it is written again: %s",
                          file, strerror(-r));
        return 0;
}

/* Continues with a CVM that is in the table. */
static int recover_vm(Manager *manager, Vm *vm, json_object *record, const char *file)
{
        int r;

        if (never_was(vm)) {
                vm->given_up = true;
                return 0;
        }
        r = adopt_record(manager, file);
        if (r < 0)
                return r;
        restart_keep(manager, vm);
        charges_recover(vm);
        r = vm_logs_open(vm);
        if (r == 0 && vm_state_is_live(vm->state) && vm_files(vm))
                r = vm_boot_hold_files(&vm->boot, vm_files(vm));
        if (r < 0)
                return r;
        return vm_state_is_live(vm->state) ? recover_live(manager, vm, record) : 0;
}

static int recover_one(Manager *manager, const char *file)
{
        _cleanup_json_ json_object *record = NULL;
        _cleanup_(vm_unrefp) Vm *vm = NULL;
        const char *reason = "out of memory";
        Vm *other = NULL;
        int r;

        r = read_record(manager, file, &record, &reason);
        while (is_lost(r) && committer_restore(manager->home.records, file) > 0) {
                log_warning("record %s is lost (%s): going back to the one before it", file,
                            reason);
                r = read_record(manager, file, &record, &reason);
        }
        if (r == 0)
                r = record_to_vm(&manager->home, record, &vm, &reason);
        if (r == 0 && (strncmp(file, vm->id, 36) != 0 || strcmp(file + 36, ".json") != 0)) {
                reason = "its file name does not match its id";
                r = -EBADMSG;
        }
        if (r == 0) {
                recover_confidential(manager, vm, record);
                r = recover_add(manager, vm, &other);
                reason = "another record has the same name";
        }
        if (r < 0) {
                if (vm)
                        vm_close(vm);
                if (driver_is_shortage(r))
                        return r;
                record_set_aside(manager->home.records_fd, file,
                                 r == -EPROTONOSUPPORT ? RECORD_NEWER : RECORD_BAD, reason);
                return 0;
        }
        r = recover_vm(manager, vm, record, file);
        if (r == 0 && other)
                recover_choose(manager, vm, other);
        return r;
}

/* Calls `act` for each entry of a directory, but "." and "..". */
static int for_each(int dirfd, Manager *manager, int (*act)(Manager *manager, const char *name))
{
        int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        char **names = NULL;
        struct dirent *entry;
        size_t n = 0;
        DIR *dir;

        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return -ENOMEM;
        }
        while ((entry = readdir(dir))) {
                char **grown;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                grown = reallocarray(names, n + 1, sizeof(*names));
                if (grown)
                        names = grown;
                if (!grown || !(names[n] = strdup(entry->d_name))) {
                        r = -ENOMEM;
                        break;
                }
                n++;
        }
        closedir(dir);
        for (size_t i = 0; i < n; i++) {
                if (r == 0)
                        r = act(manager, names[i]);
                free(names[i]);
        }
        free(names);
        return r;
}

/* What is kept of a record that is gone itself. */
static int remove_orphan(Manager *manager, const char *kept)
{
        _cleanup_free_ char *file = strndup(kept + 1, strlen(kept) - 1 - strlen(".kept"));

        if (!file)
                return -ENOMEM;
        if (faccessat(manager->home.records_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                unlinkat(manager->home.records_fd, kept, 0);
        return 0;
}

static int on_record(Manager *manager, const char *name)
{
        if (text_has_suffix(name, ".new")) { /* of an atomic write that a crash cut short */
                unlinkat(manager->home.records_fd, name, 0);
                return 0;
        }
        if (committer_is_kept(name))
                return remove_orphan(manager, name);
        if (text_has_suffix(name, ".json" RECORD_NEWER)) { /* this daemon may know it */
                _cleanup_free_ char *file = strndup(name, strlen(name) - strlen(RECORD_NEWER));

                if (!file ||
                    renameat(manager->home.records_fd, name, manager->home.records_fd, file) < 0)
                        return -errno;
                return recover_one(manager, file);
        }
        return text_has_suffix(name, ".json") ? recover_one(manager, name) : 0;
}

bool recover_is_owned(const Manager *manager, const char *id)
{
        Vm *vm = vm_table_find_id(&manager->home.table, id);

        if (vm)
                return vm_state_is_live(vm->state);
        /* a CVM that another version of the daemon will know */
        return record_is_set_aside(manager->home.records_fd, id, RECORD_NEWER);
}

static int on_shares(Manager *manager, const char *name)
{
        if (!recover_is_owned(manager, name) && shares_wipe(manager->home.shares_fd, name) < 0)
                log_error("cannot remove left secrets %s", name);
        return 0;
}

static int on_runtime(Manager *manager, const char *name)
{
        if (!recover_is_owned(manager, name))
                tree_remove_at(manager->home.vms_fd, name);
        return 0;
}

/* Logs ID.log… of no CVM. Those of a record that was set aside stay next to it. */
static int on_console(Manager *manager, const char *name)
{
        _cleanup_free_ char *id = strndup(name, strcspn(name, "."));

        if (!id)
                return -ENOMEM;
        if (!vm_table_find_id(&manager->home.table, id) &&
            !record_is_set_aside(manager->home.records_fd, id, RECORD_BAD) &&
            !record_is_set_aside(manager->home.records_fd, id, RECORD_NEWER))
                tree_remove_at(manager->home.consoles_fd, name);
        return 0;
}

int recover(Manager *manager, CvmError *error)
{
        int r;

        r = for_each(manager->home.records_fd, manager, on_record);
        if (r == 0) {
                recover_give_up(manager);
                /* before their consoles are looked at */
                record_trim_bad(manager->home.records_fd, time(NULL));
        }
        if (r == 0)
                r = for_each(manager->home.shares_fd, manager, on_shares);
        if (r == 0)
                r = for_each(manager->home.vms_fd, manager, on_runtime);
        if (r == 0)
                r = for_each(manager->home.consoles_fd, manager, on_console);
        if (r == 0)
                r = artifact_files_clean(manager->home.files);
        if (r == 0)
                r = orphans_find(manager);
        return r < 0 ? cvm_error_file(error, r, manager->home.records_fd, NULL, "recover CVMs from")
                     : 0;
}
