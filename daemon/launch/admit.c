/* SPDX-License-Identifier: Apache-2.0 */

/* Admission: whether one more CVM fits, and what it gets. Nothing is held when it is refused. */

#include <fcntl.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <systemd/sd-id128.h>

#include "base/fail_point.h"
#include "base/json.h"
#include "base/process.h"
#include "launch/admission.h"
#include "launch/capacity.h"
#include "launch/quota.h"
#include "local/log.h"
#include "manager/manager.h"
#include "manager/strays.h"
#include "vm/confine.h"
#include "vm/gpus.h"
#include "vm/vm_logs.h"

#define CPU_WEIGHT_DEFAULT 100 /* cpu.weight of a control group for which none is set */

json_object *manager_holders_add(json_object *holders, const Manager *manager, const WirePeer *peer,
                                 const Vm *vm)
{
        if (manager_may_see(manager, peer, vm->owner))
                json_object_array_add(holders, json_object_new_string(vm->name));
        return holders;
}

/* The CVM of this name that a launch replaces, or NULL. */
static Vm *find_replaced(const Manager *manager, const Admission *admission)
{
        Vm *old = manager_find_any(manager, admission->spec->name);

        return old && !vm_state_is_live(old->state) && old->owner == admission->peer->uid ? old
                                                                                          : NULL;
}

/* cvm@NAME.service finds its name free: who may not write its spec may not take it. */
static int check_reserved(const char *specs, const char *name, CvmError *error)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s.json", specs, name) < 0)
                return cvm_error_system(error, -ENOMEM, "check the name");
        if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        return cvm_error_invalid_spec(error, "name",
                                      "'%s' is reserved for cvm@%s.service, that is for root and "
                                      "administrators; choose another name",
                                      name, name);
}

static int check_name(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const char *name = admission->spec->name;
        const Vm *other = manager_find_any(manager, name);

        if (other && !find_replaced(manager, admission))
                return cvm_error_cvm_exists(
                        error, name, !manager_may_see(manager, admission->peer, other->owner));
        return manager_is_admin(manager, admission->peer)
                       ? 0
                       : check_reserved(manager->config->specs, name, error);
}

static int check_quota(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const QuotaWish wish = {vm->memory, vm->cpus, quota_ports(manager->config, vm),
                                find_replaced(manager, admission)};

        return quota_check(manager, admission->peer, &wish, error);
}

/* What a live CVM may still take of the memory that is free now. */
static uint64_t outstanding(const Vm *vm)
{
        uint64_t resident = 0;

        if (vm->driver)
                process_resident(vm->ops->pid(vm->driver), &resident);
        return vm->promised > resident ? vm->promised - resident : 0;
}

/* The host must be able to keep what it promised to those that run, and this promise too. */
static int check_memory(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        uint64_t available = host_memory_available(""), owed = 0, promise = vm->promised;
        json_object *holders;

        if (available == 0)
                return cvm_error_system(error, -EIO, "read how much memory the host has left");
        holders = json_object_new_array();
        for (size_t i = 0; i < manager->n_vms; i++) {
                if (!vm_state_is_live(manager->vms[i]->state))
                        continue;
                owed += outstanding(manager->vms[i]);
                manager_holders_add(holders, manager, admission->peer, manager->vms[i]);
        }
        owed += ledger_reserved(manager->artifact_ledger);
        available = available > owed ? available - owed : 0;
        if (promise <= available) {
                json_object_put(holders);
                return 0;
        }
        return cvm_error_no_resources(error, "memory", (int64_t)promise, (int64_t)available,
                                      holders);
}

/* Takes a CID in the kernel: nobody else can have it while the descriptor, which becomes QEMU's
 * vhostfd, is open. Returns the fd, -EADDRINUSE, or -errno of a host without vhost-vsock. */
static int cid_hold(uint32_t cid)
{
        _cleanup_close_ int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
        uint64_t value = cid;

        if (fd < 0)
                return -errno;
        if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &value) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* On a host without vhost-vsock a CID is only a number: render needs one, a launch refuses later.
 */
static bool cid_try(Manager *manager, uint32_t cid, int *ret_fd)
{
        int fd;

        if (manager_find_cid(manager, cid))
                return false;
        fd = cid_hold(cid);
        if (fd == -EADDRINUSE)
                return false;
        *ret_fd = fd < 0 ? -1 : fd;
        return true;
}

int manager_hold_cid(Manager *manager, const WirePeer *peer, uint32_t wanted, uint32_t *ret,
                     int *ret_fd, CvmError *error)
{
        const Config *config = manager->config;
        uint64_t count = wanted ? 1 : (uint64_t)config->cid_last - config->cid_first + 1;
        json_object *holders;
        Vm *holder;

        for (uint64_t i = 0; i < count; i++) {
                uint32_t cid = wanted ?: manager->cid_cursor;

                if (!wanted)
                        manager->cid_cursor = cid == config->cid_last ? config->cid_first : cid + 1;
                if (cid_try(manager, cid, ret_fd)) {
                        *ret = cid;
                        return 0;
                }
        }
        holders = json_object_new_array();
        holder = wanted ? manager_find_cid(manager, wanted) : NULL;
        if (holder)
                manager_holders_add(holders, manager, peer, holder);
        return cvm_error_no_resources(error, "cid", wanted ?: 1, 0, holders);
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
        vm->forwards = calloc(n + 1, sizeof(*vm->forwards));
        vm->holds = calloc(n + 1, sizeof(*vm->holds));
        if (!vm->forwards || !vm->holds)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                vm->forwards[i] = from[i];
                vm->forwards[i].address = strdup(from[i].address);
                vm->holds[i].fd = -1;
                vm->n_forwards++;
                if (!vm->forwards[i].address)
                        return -ENOMEM;
        }
        return 0;
}

static bool addresses_meet(const char *a, const char *b)
{
        return strcmp(a, b) == 0 || strcmp(a, "0.0.0.0") == 0 || strcmp(b, "0.0.0.0") == 0;
}

static bool has_port(const Vm *vm, const SpecForward *forward)
{
        for (size_t i = 0; i < vm->n_forwards; i++) {
                const SpecForward *f = &vm->forwards[i];

                if (f->host_port == forward->host_port && f->protocol == forward->protocol &&
                    addresses_meet(f->address, forward->address))
                        return true;
        }
        return false;
}

/* A port that a spec names must not be another CVM's: the kernel would say so too, but not whose it
 * is, and a port whose last connections linger can be bound twice. */
static int check_port(Manager *manager, const Vm *vm, const SpecForward *forward,
                      const WirePeer *peer, CvmError *error)
{
        for (size_t i = 0; i < manager->n_vms; i++) {
                const Vm *other = manager->vms[i];

                if (other == vm || !vm_state_is_live(other->state) || !has_port(other, forward))
                        continue;
                return cvm_error_no_resources(
                        error, "port", forward->host_port, 0,
                        manager_holders_add(json_object_new_array(), manager, peer, other));
        }
        return 0;
}

int manager_hold_ports(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                       CvmError *error)
{
        PortRange range = {(uint16_t)manager->config->port_first,
                           (uint16_t)manager->config->port_last};
        int r;

        for (size_t i = 0; i < vm->n_forwards; i++) {
                SpecForward *f = &vm->forwards[i];
                uint16_t wanted = spec->forwards_given ? spec->forwards[i].host_port : 0;

                port_hold_release(&vm->holds[i]);
                r = wanted ? check_port(manager, vm, &spec->forwards[i], peer, error) : 0;
                if (r == 0)
                        r = ports_hold(&range, &manager->port_cursor, f->address, wanted,
                                       f->protocol, &vm->holds[i], error);
                if (r < 0) {
                        while (i-- > 0)
                                port_hold_release(&vm->holds[i]);
                        return r;
                }
                f->host_port = vm->holds[i].port;
                fail_point("admit: port");
        }
        return 0;
}

int manager_hold_again(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                       CvmError *error)
{
        PortRange range = {(uint16_t)manager->config->port_first,
                           (uint16_t)manager->config->port_last};
        int r = 0;

        if (!vm->holds) { /* it was found by its record */
                vm->holds = calloc(vm->n_forwards + 1, sizeof(*vm->holds));
                if (!vm->holds)
                        return cvm_error_system(error, -ENOMEM, "hold ports");
                for (size_t i = 0; i < vm->n_forwards; i++)
                        vm->holds[i].fd = -1;
        }
        for (size_t i = 0; i < vm->n_forwards && r == 0; i++) {
                const SpecForward *f = &vm->forwards[i];

                if (!vm->holds[i].port)
                        r = ports_hold(&range, &manager->port_cursor, f->address, f->host_port,
                                       f->protocol, &vm->holds[i], error);
        }
        if (r < 0 && spec) { /* where the spec names the ports it fails once more */
                cvm_error_done(error);
                r = manager_hold_ports(manager, vm, spec, peer, error);
        }
        if (r == 0 && vm->vsock_cid && vm->vsock_fd < 0) {
                int fd = cid_hold(vm->vsock_cid);

                if (fd == -EADDRINUSE)
                        return cvm_error_no_resources(error, "cid", vm->vsock_cid, 0, NULL);
                vm->vsock_fd = fd < 0 ? -1 : fd;
        }
        return r;
}

/* A uid that no live CVM has, and no process that once was one. */
static int choose_uid(Manager *manager, uid_t *ret, CvmError *error)
{
        const Config *config = manager->config;
        uint64_t count = (uint64_t)config->uid_last - config->uid_first + 1;

        for (uint64_t i = 0; i < count; i++) {
                uid_t uid = manager->uid_cursor;
                bool taken = false;

                manager->uid_cursor = uid == config->uid_last ? config->uid_first : uid + 1;
                for (size_t n = 0; n < manager->n_vms && !taken; n++)
                        taken = manager->vms[n]->uid == uid &&
                                vm_state_is_live(manager->vms[n]->state);
                if (!taken && !strays_have(manager, uid)) {
                        *ret = uid;
                        return 0;
                }
        }
        return cvm_error_no_resources(error, "uid", 1, 0, NULL);
}

/* A weight above what everybody has would be taken from others' CVMs. */
static int check_limits(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const CvmSpec *spec = admission->spec;

        if (spec->limits.cpu_weight > CPU_WEIGHT_DEFAULT &&
            !manager_is_admin(manager, admission->peer))
                return cvm_error_invalid_spec(error, "limits.cpuWeight",
                                              "above %d is for administrators", CPU_WEIGHT_DEFAULT);
        return spec_check_limits(spec, vm->memory, error);
}

/* One for all its QEMUs: libvirt's own directories admit no other. */
static int take_libvirt_uid(const Manager *manager, uid_t *ret, CvmError *error)
{
        if (manager->privileged && !manager->libvirt_uid)
                return cvm_error_host(error, "libvirt-user", manager->config->libvirt_user,
                                      "a user of this name, which libvirt runs QEMU as",
                                      "install the package libvirt-daemon-system, or name the user "
                                      "of qemu.conf in cvmd.conf (libvirt.user)");
        *ret = manager->libvirt_uid;
        return 0;
}

/* An attestation proxy listens for all CIDs on the one port that SVSMs connect to. */
static int check_proxy(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        for (size_t i = 0; spec_svsm_has_vsock(admission->spec) && i < manager->n_vms; i++) {
                const Vm *other = manager->vms[i];
                json_object *svsm = json_member(other->spec, "svsm");
                const char *transport =
                        json_member_string(json_member(svsm, "attestation"), "transport");

                if (other == vm || !vm_state_is_live(other->state) || !transport ||
                    strcmp(transport, "vsock") != 0)
                        continue;
                return cvm_error_no_resources(error, "vsock-port", 1, 0,
                                              manager_holders_add(json_object_new_array(), manager,
                                                                  admission->peer, other));
        }
        return 0;
}

static int check_driver(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return vm->ops ? 0
                       : cvm_error_invalid_spec(error, "driver", "this build has no driver '%s'",
                                                admission->spec->driver);
}

static int check_capacity(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        HostFacts facts = {.cpus = manager->host->cpus};

        host_probe_pools("", &facts);
        return capacity_check(manager, &facts, admission, vm->cpus, error);
}

static int check_scope(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return vm->ops && vm->ops->by_path ? 0 : confine_check(manager, admission->spec, error);
}

static int hold_gpus(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return gpus_hold(manager, vm, admission->spec, admission->peer, error);
}

static int take_uid(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        if (vm->ops && vm->ops->by_path)
                return take_libvirt_uid(manager, &vm->uid, error);
        return manager->privileged ? choose_uid(manager, &vm->uid, error) : 0;
}

static int hold_ports(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        return manager_hold_ports(manager, vm, admission->spec, admission->peer, error);
}

static int hold_cid(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        const CvmSpec *spec = admission->spec;

        if (!spec->vsock && !spec_svsm_has_vsock(spec) &&
            !template_needs_vsock(admission->template))
                return 0;
        return manager_hold_cid(manager, admission->peer, spec->vsock_cid, &vm->vsock_cid,
                                &vm->vsock_fd, error);
}

/* In the order in which a launch takes them. */
static const AdmissionStep steps[] = {
        {"limits", "limits that this user may set", "lower limits.cpuWeight", check_limits},
        {"name", "a name that no other CVM has", "name it otherwise, or stop and remove the other",
         check_name},
        {"quota", "what the quota of this user and daemon leaves",
         "remove CVMs, or raise limits in cvmd.conf", check_quota},
        {"memory", "memory that the host can promise", "less memory, or stop other CVMs",
         check_memory},
        {"capacity", "vCPUs and key IDs that the host has left", "fewer vCPUs, or stop other CVMs",
         check_capacity},
        {"driver", "a driver of this build", "driver 'qemu', or build cvmd with libvirt",
         check_driver},
        {"scopes", "a service manager that keeps the CVM's limits", NULL, check_scope},
        {"gpu", "GPUs that no other CVM has", "other GPUs, or stop the CVM that has them",
         hold_gpus},
        {"uid", "a uid for QEMU", "stop other CVMs, or widen uids in cvmd.conf", take_uid},
        {"port", "host ports and addresses that QEMU can bind",
         "another port (0 or none takes a free one) or address", hold_ports},
        {"vsock-port", "an attestation proxy of its own", "attestation by the serial port",
         check_proxy},
        {"cid", "a vsock CID that nobody else has",
         "name another CID, or leave it out to get a free one", hold_cid},
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

static int fill(const Config *config, const Admission *admission, Vm *vm)
{
        const CvmSpec *spec = admission->spec;
        int r;

        vm->ops = driver_find(spec->driver);
        vm->debug = spec->debug;
        vm->restart.spec = spec->restart;
        if (spec->ttl_sec)
                vm->expires = deadline_in(spec->ttl_sec);
        vm->start_sec = spec->start_sec ?: config->start_sec;
        vm->ready_sec = spec->ready_sec ?: config->ready_sec;
        vm->powerdown_sec = spec->powerdown_sec ?: config->powerdown_sec;
        vm->quit_sec = spec->quit_sec ?: config->quit_sec;
        vm->cpus = spec->cpus ?: config->cpus;
        vm->memory = spec->memory ?: config->memory;
        vm->promised = template_promise(admission->template, vm->memory);
        vm->spec = spec_to_json_redacted(spec);
        r = vm->spec ? keep_groups(vm, admission->peer) : -ENOMEM;
        return r < 0 ? r : copy_forwards(vm, spec);
}

int admission_vm_new(Manager *manager, const Admission *admission, Vm **ret, CvmError *error)
{
        char id[SD_ID128_UUID_STRING_MAX];
        sd_id128_t random;
        Vm *vm;
        int r = sd_id128_randomize(&random);

        if (r < 0)
                return cvm_error_system(error, r, "make an id");
        sd_id128_to_uuid_string(random, id);
        vm = vm_new(manager, admission->spec->name, admission->id ?: id,
                    template_name(admission->template), admission->peer->uid, admission->peer->gid);
        r = vm ? fill(manager->config, admission, vm) : -ENOMEM;
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
        vm_drop_holds(vm);
        vm_close(vm);
        vm_unref(vm);
}

/* Takes the vm. An id may be the caller's choice: what an old one with it left is not for this one.
 */
static int enter(Manager *manager, const Admission *admission, Vm *vm, CvmError *error)
{
        Vm *old = find_replaced(manager, admission);
        int r;

        vm_logs_remove(manager, vm);
        r = vm_logs_open(manager, vm);
        if (r < 0) {
                admission_vm_drop(vm);
                return cvm_error_system(error, r, "open the console's log");
        }
        if (old)
                manager_remove(manager, old);
        r = manager_add(manager, vm);
        if (r < 0) {
                admission_vm_drop(vm);
                return cvm_error_system(error, r, "admit the CVM");
        }
        vm_unref(vm); /* the table has its own */
        vm_arm_expiry(vm);
        fail_point("admit: to be recorded");
        r = manager_persist(manager, vm);
        if (r < 0) {
                manager_persist_error(manager, vm, r, error);
                manager_remove(manager, vm);
                return r;
        }
        return 0;
}

int manager_admit(Manager *manager, const Admission *admission, Vm **ret, CvmError *error)
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
        r = enter(manager, admission, vm, error);
        if (r < 0)
                return r;
        manager_emit(manager, vm, "state", NULL, vm_state_name(vm->state), NULL);
        *ret = vm;
        return 0;
}
