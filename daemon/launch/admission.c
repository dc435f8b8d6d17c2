/* SPDX-License-Identifier: Apache-2.0 */

/* Admission: whether one more CVM fits, and what it gets. If it is refused, nothing stays
 * reserved. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "base/fail_point.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/process.h"
#include "base/suggest.h"
#include "base/text.h"
#include "launch/admission.h"
#include "launch/capacity.h"
#include "launch/quota.h"
#include "launch/reserve.h"
#include "local/log.h"
#include "manager/holders.h"
#include "manager/platform.h"
#include "vm/confine.h"
#include "vm/record.h"
#include "vm/vm_logs.h"

#define CPU_WEIGHT_DEFAULT 100 /* cpu.weight of a control group for which none is set */

/* The CVM of this name that a launch replaces, or NULL. */
static Vm *find_replaced(const Manager *manager, const Admission *admission)
{
        Vm *old = vm_table_find(&manager->home.table, admission->spec->name);

        return old && !vm_state_is_live(old->state) && old->owner == admission->peer->uid ? old
                                                                                          : NULL;
}

/* Whether there is such a file, wherever it leads to. Returns -ENOMEM without memory. */
static int is_specs_file(const char *specs, const char *name, const char *ending)
{
        _cleanup_free_ char *path = text_format("%s/%s%s", specs, name, ending);

        if (!path)
                return -ENOMEM;
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* cvm@NAME.service finds its name free: who may not write its spec may not take it. */
static int check_reserved(const char *specs, const char *name, CvmError *error)
{
        int r = is_specs_file(specs, name, ".json");

        if (r == 0)
                r = is_specs_file(specs, name, ".yaml");
        if (r < 0)
                return cvm_error_system(error, r, "check the name");
        if (r == 0)
                return 0;
        return cvm_error_invalid_spec(error, "name",
                                      "'%s' is reserved for cvm@%s.service: only root and "
                                      "administrators may use it; choose another name",
                                      name, name);
}

/* One whose record is set aside is not in the table: it may run, and its files are its own. */
static int check_id(const Manager *manager, const char *id, CvmError *error)
{
        if (!record_is_set_aside(manager->home.records_fd, id, RECORD_NEWER) &&
            !record_is_set_aside(manager->home.records_fd, id, RECORD_BAD))
                return 0;
        return cvm_error_cvm_exists(error, id, NULL, true);
}

static int check_name(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const char *name = admission->spec->name;
        const Vm *other = vm_table_find(&manager->home.table, name);
        int r = admission->id ? check_id(manager, admission->id, error) : 0;

        if (r < 0)
                return r;
        if (other && !find_replaced(manager, admission)) {
                bool visible = manager_may_see(manager, admission->peer, other->owner);

                return cvm_error_cvm_exists(error, name, visible ? other->id : NULL, !visible);
        }
        return manager_is_admin(manager, admission->peer)
                       ? 0
                       : check_reserved(manager->home.config->specs, name, error);
}

static int check_quota(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const QuotaWish wish = {vm->memory, vm->cpus, quota_ports(manager->home.config, vm)};

        return quota_check(manager, admission->peer, &wish, error);
}

uint64_t admission_outstanding(pid_t pid, uint64_t promised, uint64_t *ret_resident)
{
        uint64_t resident = 0;

        if (pid > 0)
                (void)process_resident(pid, &resident);
        *ret_resident = resident;
        return promised > resident ? promised - resident : 0;
}

int admission_memory_left(const Manager *manager, uint64_t owed, uint64_t *ret)
{
        uint64_t available = host_memory_available("");

        if (available == 0)
                return -EIO;
        owed += ledger_reserved(manager->home.artifact_ledger);
        *ret = available > owed ? available - owed : 0;
        return 0;
}

static uint64_t outstanding(const Vm *vm)
{
        pid_t pid = vm->process.driver ? vm->ops->pid(vm->process.driver) : 0;
        uint64_t resident;

        return admission_outstanding(pid, vm->promised, &resident);
}

/* The host must be able to keep what it promised to those that run, and this promise too. What each
 * of them has of it already is asked only as long as the answer depends on that: a launch would
 * otherwise cost more with each CVM that is there. */
static int check_memory(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        uint64_t available, promise = vm->promised, owed = 0;
        const Vm *other;
        int r = admission_memory_left(manager, owed, &available);

        if (r < 0)
                return cvm_error_system(error, r, "read how much memory the host has left");
        VM_TABLE_FOREACH_LIVE (other, &manager->home.table)
                owed += other->promised;
        if (owed + promise <= available)
                return 0;
        VM_TABLE_FOREACH_LIVE (other, &manager->home.table) {
                owed -= other->promised - outstanding(other);
                if (owed + promise <= available)
                        return 0;
        }
        available = available > owed ? available - owed : 0;
        return cvm_error_no_resources(error, "memory", (int64_t)promise, (int64_t)available,
                                      holders_of_live(manager, admission->peer));
}

static int copy_forwards(Vm *vm, const CvmSpec *spec)
{
        static const SpecForward agent = {.address = (char *)"127.0.0.1",
                                          .guest_port = SPEC_AGENT_PORT,
                                          .protocol = SPEC_TCP};
        const SpecForward *from = spec->forwards;
        size_t n = spec->n_forwards;

        if (!spec->forwards_given && spec_network_forwards(spec->network)) {
                from = &agent;
                n = 1;
        }
        return vm_reserved_set_forwards(&vm->reserved, from, n);
}

/* A weight above what everybody has would be taken from others' CVMs. */
int admission_check_weight(const Manager *manager, const CvmSpec *spec, const WirePeer *peer,
                           CvmError *error)
{
        if (spec->limits.cpu_weight <= CPU_WEIGHT_DEFAULT || manager_is_admin(manager, peer))
                return 0;
        return cvm_error_invalid_spec(error, "limits.cpuWeight",
                                      "only administrators may set more than %d",
                                      CPU_WEIGHT_DEFAULT);
}

static int check_limits(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        int r = admission_check_weight(manager, admission->spec, admission->peer, error);

        return r < 0 ? r : spec_check_limits(admission->spec, vm->memory, error);
}

/* An attestation proxy listens for all CIDs on the one port that SVSMs connect to. */
static int check_proxy(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const Vm *other;

        if (!spec_svsm_has_vsock(admission->spec))
                return 0;
        VM_TABLE_FOREACH_LIVE (other, &manager->home.table) {
                json_object *svsm = json_member(other->spec, "svsm");
                const char *transport =
                        json_member_string(json_member(svsm, "attestation"), "transport");

                if (other != vm && transport && strcmp(transport, "vsock") == 0)
                        return cvm_error_no_resources(error, "vsock-port", 1, 0,
                                                      holders_of(manager, admission->peer, other));
        }
        return 0;
}

static int check_driver(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        Suggestion best = suggest_begin(admission->spec->driver);
        _cleanup_free_ char *names = NULL;

        if (vm->ops)
                return 0;
        names = driver_names(manager->home.drivers.all);
        for (const DriverOps *const *ops = manager->home.drivers.all; *ops; ops++)
                suggest_candidate(&best, (*ops)->name);
        fault_add_near(error, "driver", best.found, "this build has no driver '%s', only: %s",
                       admission->spec->driver, names ?: "");
        return -EINVAL;
}

static int check_capacity(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        HostFacts facts = {.cpus = manager->host->cpus};

        host_probe_pools("", &facts);
        return capacity_check(manager, &facts, admission, vm->cpus, error);
}

static int check_scope(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return confine_check(vm, admission->spec, error);
}

static int hold_gpus(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return reserve_gpus(manager, vm, admission->spec, admission->peer, error);
}

static int hold_gpu(Manager *manager, const Admission *admission, Vm *vm, size_t i, CvmError *error)
{
        if (i >= admission->spec->n_gpus)
                return 1;
        return reserve_gpu_check(manager, vm, admission->spec->gpus[i], admission->peer, error);
}

static int take_uid(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return reserve_uid(manager, vm, error);
}

static int hold_ports(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return reserve_ports(manager, vm, admission->spec, admission->peer, error);
}

static int hold_port(Manager *manager, const Admission *admission, Vm *vm, size_t i,
                     CvmError *error)
{
        if (i >= vm->reserved.n_forwards)
                return 1;
        return reserve_port(manager, vm, admission->spec, i, admission->peer, error);
}

static int hold_cid(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const CvmSpec *spec = admission->spec;

        if (!spec->vsock && !spec_svsm_has_vsock(spec) &&
            !template_needs_vsock(admission->template))
                return 0;
        return reserve_cid(manager, vm, spec->vsock_cid, admission->peer, error);
}

/* In the order in which a launch takes them. */
static const AdmissionStep steps[] = {
        {"driver", "a driver of this build", "use another driver, or build cvmd with this one",
         check_driver},
        {"limits", "limits that this user may set", "lower limits.cpuWeight", check_limits},
        {"name", "a name that is not in use",
         "choose another name, or stop and remove the other CVM", check_name},
        {"quota", "no more than the quotas of this user and of the daemon allow",
         "remove CVMs, or raise limits in cvmd.conf", check_quota},
        {"memory", "memory that the host can commit", "use less memory, or stop other CVMs",
         check_memory},
        {"capacity", "vCPUs and key IDs that are free on the host",
         "use fewer vCPUs, or stop other CVMs", check_capacity},
        {"scopes", "a service manager that enforces the CVM's limits", NULL, check_scope},
        {"gpu", "GPUs that no other CVM uses", "use other GPUs, or stop the CVM that uses them",
         hold_gpus, hold_gpu},
        {"uid", "a uid for QEMU", "stop other CVMs, or widen uids in cvmd.conf", take_uid},
        {"port", "host ports and addresses that QEMU can bind",
         "use another port (0 or none selects a free one) or address", hold_ports, hold_port},
        {"vsock-port", "an attestation proxy of its own", "use the serial transport", check_proxy},
        {"cid", "a vsock CID that is not in use", "use another CID, or omit it to get a free one",
         hold_cid},
        {},
};

const AdmissionStep *admission_steps(void)
{
        return steps;
}

/* A later launch of it is in the name of who launched it first. */
static int keep_groups(Vm *vm, const WirePeer *peer)
{
        _cleanup_(wire_peer_done) WirePeer copy = {};
        int r = wire_peer_copy(peer, &copy);

        if (r < 0)
                return r;
        vm->owner_groups = TAKE_PTR(copy.groups);
        vm->n_owner_groups = copy.n_groups;
        return 0;
}

static int fill(const Manager *manager, const Admission *admission, Vm *vm)
{
        const Config *config = manager->home.config;
        const CvmSpec *spec = admission->spec;
        int r;

        vm->ops = driver_find(vm->home->drivers.all, spec->driver);
        vm->debug = spec->debug;
        vm->confidential = template_is_confidential(admission->template);
        vm->emulated = !vm->confidential && !platform_use_kvm(manager);
        vm_restart_set_policy(&vm->restart, &spec->restart);
        if (spec->ttl_sec)
                vm->expires = deadline_in(spec->ttl_sec);
        vm->start_sec = spec->start_sec ?: config->start_sec;
        vm->ready_sec = spec->ready_sec ?: config->ready_sec;
        vm->powerdown_sec = spec->powerdown_sec ?: config->powerdown_sec;
        vm->quit_sec = spec->quit_sec ?: config->quit_sec;
        vm->cpus = spec->cpus ?: config->cpus;
        vm->memory = spec->memory ?: config->memory;
        vm->remove = spec->remove;
        vm->promised = template_promise(admission->template, vm->memory);
        vm->labels = json_object_get(spec->labels);
        vm->request = json_object_get(admission->request);
        vm->spec = json_object_get(spec->given);
        vm->spec_is_given = true;
        r = keep_groups(vm, admission->peer);
        return r < 0 ? r : copy_forwards(vm, spec);
}

int admission_vm_new(Manager *manager, const Admission *admission, Vm **ret, CvmError *error)
{
        char id[SD_ID128_UUID_STRING_MAX];
        sd_id128_t random;
        Vm *vm;
        int r = sd_id128_randomize(&random);

        if (r < 0)
                return cvm_error_system(error, r, "create an id");
        sd_id128_to_uuid_string(random, id);
        vm = vm_new(&manager->home, admission->spec->name, admission->id ?: id,
                    template_name(admission->template), admission->peer->uid, admission->peer->gid);
        r = vm ? fill(manager, admission, vm) : -ENOMEM;
        if (r < 0) {
                if (vm)
                        admission_vm_drop(vm);
                return cvm_error_system(error, r, "admit the CVM");
        }
        *ret = vm;
        return 0;
}

void admission_vm_drop(Vm *vm)
{
        vm_reserved_drop_holds(&vm->reserved);
        vm_close(vm);
        vm_unref(vm);
}

/* A launch with the id of a kept failure: it is the same CVM, which has ended as it did until its
 * hypervisor starts again. */
static void admission_inherit(Vm *vm, const Vm *old)
{
        const VmEnding *ending = &old->ending;
        const DriverEnding driver = {.has_exit_code = ending->has_exit_code,
                                     .exit_code = ending->exit_code,
                                     .has_signal = ending->has_signal,
                                     .signal = ending->signal};

        vm->kept = true;
        vm_load_ending(vm, ending->reason, ending->detail, &driver);
        vm->ending.at = ending->at;
}

/* Adds it to the table, and an older CVM of its name to the shelf. */
static int admission_add(Manager *manager, Vm *vm, Vm *old, CvmError *error)
{
        VmTable *table = &manager->home.table;
        int r = vm_logs_open(vm);

        if (r < 0)
                return cvm_error_system(error, r, "open the console's log");
        if (old)
                vm_table_shelve(table, old);
        r = vm_table_add(table, vm);
        if (r == 0)
                return 0;
        if (old)
                (void)vm_table_unshelve(table, old);
        return cvm_error_system(error, r, "admit the CVM");
}

void admission_bring_back(Manager *manager, Vm *old)
{
        if (vm_table_unshelve(&manager->home.table, old))
                vm_emit(old, "state", NULL, vm_state_name(old->state), NULL);
}

/* Puts an admitted CVM on record. */
static int admission_record(Manager *manager, Vm *vm, Vm *old, CvmError *error)
{
        int r;

        fail_point("admit: to be recorded");
        r = record_write(vm);
        if (r == 0)
                return 0;
        record_write_error(vm, r, error);
        if (vm->kept) { /* the record is still the old one's */
                vm_table_remove(&manager->home.table, vm);
                vm_close(vm);
        } else {
                manager_remove(manager, vm);
        }
        if (old)
                admission_bring_back(manager, old);
        return r;
}

/* Takes the vm. An id may be the caller's choice: what an old one with it left is not for
 * this one, unless it is a kept failure. */
static int enter(Manager *manager, const Admission *admission, Vm *vm, Vm **ret_replaced,
                 CvmError *error)
{
        _cleanup_(vm_unrefp) Vm *old = find_replaced(manager, admission), *pin = vm_ref(vm);
        bool inherits = old && strcmp(old->id, vm->id) == 0;
        int r;

        if (old)
                vm_ref(old);
        if (inherits)
                admission_inherit(vm, old);
        r = admission_add(manager, vm, old, error);
        if (r < 0) {
                admission_vm_drop(vm);
                return r;
        }
        if (!inherits)
                vm_logs_clear(vm);
        vm_unref(vm); /* the table has its own */
        r = admission_record(manager, vm, old, error);
        if (r < 0)
                return r;
        vm_arm_expiry(vm);
        if (vm->kept) { /* the new one is in its place */
                vm_table_remove(&manager->home.table, old);
                vm_close(old);
        } else {
                *ret_replaced = TAKE_PTR(old);
        }
        return 0;
}

int admission_admit(Manager *manager, const Admission *admission, Vm **ret, Vm **ret_replaced,
                    CvmError *error)
{
        Vm *vm;
        int r = admission_vm_new(manager, admission, &vm, error);

        if (r < 0)
                return r;
        for (const AdmissionStep *step = steps; step->name && r == 0; step++)
                r = step->pass(manager, admission, vm, error);
        if (r < 0) {
                admission_vm_drop(vm);
                return r;
        }
        r = enter(manager, admission, vm, ret_replaced, error);
        if (r < 0)
                return r;
        vm_emit(vm, "state", vm->kept ? vm_state_name(VM_FAILED) : NULL, vm_state_name(vm->state),
                NULL);
        *ret = vm;
        return 0;
}

void admission_allot(const Manager *manager, const Vm *vm, const Template *template,
                     const CvmSpec *spec, Allotment *ret)
{
        *ret = (Allotment){
                .template = template,
                .id = vm->id,
                .owner = vm->owner,
                .uid = vm->reserved.uid,
                .cpus = vm->cpus,
                .memory = vm->memory,
                .forwards = vm->reserved.forwards,
                .n_forwards = vm->reserved.n_forwards,
                .vsock = vm->reserved.vsock_cid != 0,
                .vsock_cid = vm->reserved.vsock_cid,
                .notify_port = vm->reserved.vsock_is_real ? manager->notify_port : 0,
                .cmdline = spec_cmdline(spec),
                .host = manager->host,
                .qemu = config_qemu(manager->home.config, template_name(template),
                                    template_qemu(template)),
        };
}
