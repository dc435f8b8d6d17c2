/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail_point.h"
#include "manager/manager.h"

int handover_directory(Vm *vm, CvmError *error)
{
        int fd, r;

        if (vm->process.runtime_dirfd >= 0)
                return 0;
        if (mkdirat(vm->home->vms_fd, vm->id, 0700) < 0)
                return cvm_error_file(error, -errno, vm->home->vms_fd, vm->id,
                                      "create the CVM's runtime directory");
        fail_point("launch: runtime directory");
        fd = openat(vm->home->vms_fd, vm->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                r = cvm_error_file(error, -errno, vm->home->vms_fd, vm->id,
                                   "open the CVM's runtime directory");
                unlinkat(vm->home->vms_fd, vm->id, AT_REMOVEDIR);
                return r;
        }
        vm_process_set_directory(&vm->process, fd);
        return 0;
}

/* A QEMU that is given paths passes a directory of root's to what is its own. */
static int let_pass(int parent_fd, const char *name, gid_t gid)
{
        if (fchownat(parent_fd, name, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            fchmodat(parent_fd, name, 0710, 0) < 0)
                return -errno;
        return 0;
}

static bool handover_is_by_path(const Vm *vm)
{
        return vm->ops->traits.by_path && vm->reserved.uid;
}

int handover_companions(Vm *vm, CvmError *error)
{
        int r = handover_is_by_path(vm) ? let_pass(vm->home->vms_fd, vm->id, vm_gid(vm)) : 0;

        return r < 0 ? cvm_error_file(error, r, vm->home->vms_fd, vm->id, "let its QEMU pass") : 0;
}

int handover_open_shares(const Vm *vm, Shares *ret, CvmError *error)
{
        int r = shares_open(vm->home->shares_fd, vm->id, ret);

        return r < 0 ? cvm_error_file(error, r, vm->home->shares_fd, vm->id, "open the shares") : 0;
}

SharesOrder handover_order_shares(const Vm *vm, const CvmSpec *spec, const Loaded *loaded)
{
        return (SharesOrder){
                .parent_fd = vm->home->shares_fd,
                .id = vm->id,
                .uid = vm->reserved.uid ?: geteuid(),
                .gid = vm->reserved.uid ?: getegid(),
                .by_path = handover_is_by_path(vm),
                .spec = spec,
                .loaded = loaded,
        };
}

int handover_write_shares(const SharesOrder *order, Shares *ret, CvmError *error)
{
        const CvmSpec *spec = order->spec;
        _cleanup_free_ SharesCert *certs = calloc(spec->n_certs + 1, sizeof(*certs));
        Shares shares;
        int r;

        if (!certs)
                return cvm_error_system(error, -ENOMEM, "write the shares");
        for (size_t i = 0; i < spec->n_certs; i++) {
                const LoadedCert *cert = &order->loaded->certs[i];

                certs[i] = (SharesCert){.name = spec->certs[i].name,
                                        .data = cert->data ?: spec->certs[i].data,
                                        .size = cert->data ? cert->size : spec->certs[i].size};
        }
        r = shares_create(order->parent_fd, order->id, order->uid, order->gid, spec, certs,
                          spec->n_certs, &shares, error);
        if (r < 0)
                return r;
        r = order->by_path ? let_pass(order->parent_fd, order->id, order->gid) : 0;
        if (r == 0) {
                *ret = shares;
                return 0;
        }
        close(shares.env_fd);
        close(shares.certs_fd);
        shares_wipe(order->parent_fd, order->id);
        return cvm_error_file(error, r, order->parent_fd, order->id, "let its QEMU pass");
}

#define NAME_SIZE 48 /* of "share:TAG" and its like */

typedef struct Descriptors {
        DriverFd fds[_ARTIFACT_KIND_MAX + 5 + SPEC_SHARES_MAX + SPEC_DISKS_MAX +
                     PLAN_COMPANIONS_MAX];
        char names[SPEC_SHARES_MAX + SPEC_DISKS_MAX + PLAN_COMPANIONS_MAX][NAME_SIZE];
        size_t n, n_names;
} Descriptors;

static void handover_add(Descriptors *d, const char *what, int fd)
{
        d->fds[d->n++] = (DriverFd){what, fd};
}

/* Returns the name PREFIX:NAME, which lives as long as the descriptors. */
static const char *name(Descriptors *d, const char *prefix, const char *of)
{
        char *text = d->names[d->n_names++];

        snprintf(text, NAME_SIZE, "%s:%s", prefix, of);
        return text;
}

int handover_start(Vm *vm, const Handover *handover, CvmError *error)
{
        const CvmSpec *spec = handover->spec;
        const LaunchPlan *plan = handover->plan;
        const Loaded *loaded = handover->loaded;
        Descriptors d = {};
        DriverStart start = {
                .id = vm->id,
                .plan = plan,
                .fds = d.fds,
                .uid = vm->reserved.uid,
                .runtime_dirfd = vm->process.runtime_dirfd,
        };

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (vm->boot.artifacts[kind])
                        handover_add(&d, spec_artifact_kind_name(kind),
                                     vm->boot.artifacts[kind]->fd);
        handover_add(&d, "env_share", handover->shares->env_fd);
        handover_add(&d, "certs_share", handover->shares->certs_fd);
        handover_add(&d, "vhost-vsock", vm->reserved.vsock_fd);
        handover_add(&d, "tap", handover->tap.fd);
        handover_add(&d, "vhost-net", handover->tap.vhost_fd);
        for (size_t i = 0; i < loaded->n_shares; i++)
                handover_add(&d, name(&d, "share", spec->shares[i].tag), loaded->share_fds[i]);
        for (size_t i = 0; i < loaded->n_disks; i++)
                handover_add(&d, name(&d, "disk", spec->disks[i].id), loaded->disks[i].fd);
        for (size_t i = 0; i < plan->n_companions; i++) {
                const char *what = name(&d, "companion", plan->companions[i].name);

                handover_add(&d, what, companions_fd(vm->process.companions, what));
        }
        start.n_fds = d.n;
        if (vm->ops->traits.by_path) /* it takes the ports and the CID itself */
                vm_reserved_drop_holds(&vm->reserved);
        return vm_process_start(&vm->process, vm_driver_home(vm), &start, &vm_driver_callbacks, vm,
                                error);
}
