/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/reserve.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fail_point.h"
#include "manager/holders.h"
#include "manager/orphans.h"

static bool addresses_meet(const char *a, const char *b)
{
        return strcmp(a, b) == 0 || strcmp(a, "0.0.0.0") == 0 || strcmp(b, "0.0.0.0") == 0;
}

static bool has_port(const Vm *vm, const SpecForward *forward)
{
        for (size_t i = 0; i < vm->reserved.n_forwards; i++) {
                const SpecForward *f = &vm->reserved.forwards[i];

                if (f->host_port == forward->host_port && f->protocol == forward->protocol &&
                    addresses_meet(f->address, forward->address))
                        return true;
        }
        return false;
}

/* A port that a spec names must not belong to another CVM. bind(2) would fail, too, but could not
 * name the CVM, and a port whose last connections linger can be bound twice. */
static int check_port(Manager *manager, const Vm *vm, const SpecForward *forward,
                      const WirePeer *peer, CvmError *error)
{
        const Vm *other;

        VM_TABLE_FOREACH_LIVE (other, &manager->home.table)
                if (other != vm && has_port(other, forward))
                        return cvm_error_no_resources(error, "port", forward->host_port, 0,
                                                      holders_of(manager, peer, other));
        return 0;
}

int reserve_port(Manager *manager, Vm *vm, const CvmSpec *spec, size_t i, const WirePeer *peer,
                 CvmError *error)
{
        PortRange range = {(uint16_t)manager->home.config->port_first,
                           (uint16_t)manager->home.config->port_last};
        uint16_t wanted = spec->forwards_given ? spec->forwards[i].host_port : 0;
        SpecForward *f = &vm->reserved.forwards[i];
        int r;

        port_hold_release(&vm->reserved.holds[i]);
        r = wanted ? check_port(manager, vm, &spec->forwards[i], peer, error) : 0;
        if (r == 0)
                r = ports_hold(&range, &manager->port_cursor, f->address, wanted, f->protocol,
                               &vm->reserved.holds[i], error);
        if (r == 0)
                f->host_port = vm->reserved.holds[i].port;
        return r;
}

int reserve_ports(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                  CvmError *error)
{
        for (size_t i = 0; i < vm->reserved.n_forwards; i++) {
                int r = reserve_port(manager, vm, spec, i, peer, error);

                if (r < 0) {
                        while (i-- > 0)
                                port_hold_release(&vm->reserved.holds[i]);
                        return r;
                }
                fail_point("admit: port");
        }
        return 0;
}

/* Opening it does not wait: the kernel allocates memory, and looks CIDs up under a mutex of its
 * own (drivers/vhost/vsock.c). But its last close waits for all CPUs (synchronize_rcu()), so that
 * it is opened once for all CIDs that are tried. Returns -errno of a host without vhost-vsock. */
static int cid_open(void)
{
        int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* Takes a CID in the kernel: no other process can have it while the descriptor, which becomes
 * QEMU's vhostfd, is open. Takes the descriptor on success. Returns 0, or -EADDRINUSE. On a host
 * without vhost-vsock a CID is only a number: render needs one, a launch refuses later. */
static int cid_hold(Vm *vm, int *fd, uint32_t cid)
{
        uint64_t value = cid;
        bool held = *fd >= 0 && ioctl(*fd, VHOST_VSOCK_SET_GUEST_CID, &value) == 0;

        if (*fd >= 0 && !held && errno == EADDRINUSE)
                return -EADDRINUSE;
        vm_reserved_hold_cid(&vm->reserved, held ? TAKE_FD(*fd) : -1);
        vm->reserved.vsock_cid = cid;
        return 0;
}

int reserve_cid(Manager *manager, Vm *vm, uint32_t wanted, const WirePeer *peer, CvmError *error)
{
        const Config *config = manager->home.config;
        uint64_t count = wanted ? 1 : (uint64_t)config->cid_last - config->cid_first + 1;
        _cleanup_close_ int fd = cid_open();
        json_object *holders;
        Vm *holder;

        for (uint64_t i = 0; i < count; i++) {
                uint32_t cid = wanted ?: manager->cid_cursor;

                if (!wanted)
                        manager->cid_cursor = cid == config->cid_last ? config->cid_first : cid + 1;
                if (!vm_table_find_cid(&manager->home.table, cid) && cid_hold(vm, &fd, cid) == 0)
                        return 0;
        }
        holders = json_object_new_array();
        holder = wanted ? vm_table_find_cid(&manager->home.table, wanted) : NULL;
        if (holder)
                holders_add(holders, manager, peer, holder);
        return cvm_error_no_resources(error, "cid", wanted ?: 1, 0, holders);
}

static int hold_cid_again(Vm *vm, CvmError *error)
{
        _cleanup_close_ int fd = -1;

        if (!vm->reserved.vsock_cid || vm->reserved.vsock_fd >= 0)
                return 0;
        fd = cid_open();
        if (cid_hold(vm, &fd, vm->reserved.vsock_cid) == -EADDRINUSE)
                return cvm_error_no_resources(error, "cid", vm->reserved.vsock_cid, 0, NULL);
        return 0;
}

int reserve_other_ports(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                        CvmError *error)
{
        int r = reserve_ports(manager, vm, spec, peer, error);

        return r < 0 ? r : hold_cid_again(vm, error);
}

int reserve_again(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                  CvmError *error)
{
        PortRange range = {(uint16_t)manager->home.config->port_first,
                           (uint16_t)manager->home.config->port_last};
        int r = 0;

        for (size_t i = 0; i < vm->reserved.n_forwards && r == 0; i++) {
                const SpecForward *f = &vm->reserved.forwards[i];

                if (!vm->reserved.holds[i].port)
                        r = ports_hold(&range, &manager->port_cursor, f->address, f->host_port,
                                       f->protocol, &vm->reserved.holds[i], error);
        }
        if (r < 0 && spec) { /* if the spec names the ports it fails again */
                cvm_error_done(error);
                r = reserve_ports(manager, vm, spec, peer, error);
        }
        return r < 0 ? r : hold_cid_again(vm, error);
}

/* The next uid that no live CVM has and for which `is_taken` does not hold. */
static bool next_uid(Manager *manager, bool (*is_taken)(Manager *manager, uid_t uid), uid_t *ret)
{
        const Config *config = manager->home.config;
        uint64_t count = (uint64_t)config->uid_last - config->uid_first + 1;

        for (uint64_t i = 0; i < count; i++) {
                uid_t uid = manager->uid_cursor;

                manager->uid_cursor = uid == config->uid_last ? config->uid_first : uid + 1;
                if (!vm_table_find_uid(&manager->home.table, uid) && !is_taken(manager, uid)) {
                        *ret = uid;
                        return true;
                }
        }
        return false;
}

/* A uid that no live CVM has, and no process that once was one. To look for such a process takes
 * long, and is left until there is no other uid. */
static int choose_uid(Manager *manager, uid_t *ret, CvmError *error)
{
        if (next_uid(manager, orphans_had, ret) || next_uid(manager, orphans_have, ret))
                return 0;
        return cvm_error_no_resources(error, "uid", 1, 0, NULL);
}

int reserve_gpu_check(Manager *manager, const Vm *vm, const char *address, const WirePeer *peer,
                      CvmError *error)
{
        char resource[SPEC_GPU_SIZE + sizeof("gpu:")];
        const Vm *other;

        VM_TABLE_FOREACH_LIVE (other, &manager->home.table) {
                if (other == vm || !vm_reserved_has_gpu(&other->reserved, address))
                        continue;
                snprintf(resource, sizeof(resource), "gpu:%s", address);
                return cvm_error_no_resources(error, resource, 1, 0,
                                              holders_of(manager, peer, other));
        }
        return 0;
}

int reserve_gpus(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                 CvmError *error)
{
        for (size_t i = 0; i < spec->n_gpus; i++) {
                int r = reserve_gpu_check(manager, vm, spec->gpus[i], peer, error);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < spec->n_gpus; i++)
                if (vm_reserved_add_gpu(&vm->reserved, spec->gpus[i]) < 0)
                        return cvm_error_system(error, -ENOMEM, "reserve the GPUs");
        return 0;
}

/* The live CVM that stands in the way, or NULL. */
static const Vm *disk_find_holder(const Manager *manager, const Vm *vm, const DiskHold *wanted)
{
        const Vm *other;

        VM_TABLE_FOREACH_LIVE (other, &manager->home.table)
                for (size_t n = 0; other != vm && n < other->reserved.n_disks; n++)
                        if (disk_holds_conflict(&other->reserved.disks[n], wanted))
                                return other;
        return NULL;
}

static int disk_refuse(const Manager *manager, const char *id, const Vm *holder,
                       const WirePeer *peer, CvmError *error)
{
        char resource[SPEC_DISK_ID_MAX + sizeof("disk:")];

        snprintf(resource, sizeof(resource), "disk:%s", id);
        return cvm_error_no_resources(error, resource, 1, 0, holders_of(manager, peer, holder));
}

int reserve_disks(Manager *manager, Vm *vm, const CvmSpec *spec, const DiskFile *files,
                  const WirePeer *peer, CvmError *error)
{
        DiskHold *holds = calloc(spec->n_disks + 1, sizeof(*holds));
        int r = 0;

        if (!holds)
                return cvm_error_system(error, -ENOMEM, "reserve the disks");
        for (size_t i = 0; r == 0 && i < spec->n_disks; i++) {
                const Vm *holder;

                holds[i] = (DiskHold){files[i].identity, !spec->disks[i].read_only};
                for (size_t n = 0; r == 0 && n < i; n++)
                        if (disk_holds_conflict(&holds[n], &holds[i])) {
                                char field[32];

                                snprintf(field, sizeof(field), "disks[%zu]", i);
                                r = cvm_error_invalid_spec(
                                        error, field,
                                        "is the same as disks[%zu], and one of them is writable",
                                        n);
                        }
                holder = r == 0 ? disk_find_holder(manager, vm, &holds[i]) : NULL;
                if (holder)
                        r = disk_refuse(manager, spec->disks[i].id, holder, peer, error);
        }
        if (r < 0) {
                free(holds);
                return r;
        }
        vm_reserved_set_disks(&vm->reserved, holds, spec->n_disks);
        return 0;
}

int reserve_uid(Manager *manager, Vm *vm, CvmError *error)
{
        if (vm->ops && vm->ops->uid)
                return vm->ops->uid(vm_driver_home(vm), &vm->reserved.uid, error);
        return manager->privileged ? choose_uid(manager, &vm->reserved.uid, error) : 0;
}
