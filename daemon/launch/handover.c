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
static int let_pass(const Vm *vm, int parent_fd, const char *name)
{
        if (!vm->ops->traits.by_path || !vm->reserved.uid)
                return 0;
        if (fchownat(parent_fd, name, (uid_t)-1, vm_gid(vm), AT_SYMLINK_NOFOLLOW) < 0 ||
            fchmodat(parent_fd, name, 0710, 0) < 0)
                return -errno;
        return 0;
}

int handover_companions(Vm *vm, CvmError *error)
{
        int r = let_pass(vm, vm->home->vms_fd, vm->id);

        return r < 0 ? cvm_error_file(error, r, vm->home->vms_fd, vm->id, "let its QEMU pass") : 0;
}

int handover_shares(Vm *vm, const CvmSpec *spec, const Loaded *loaded, bool kept, Shares *ret,
                    CvmError *error)
{
        _cleanup_free_ SharesCert *certs = calloc(spec->n_certs + 1, sizeof(*certs));
        int r;

        if (!certs)
                return cvm_error_system(error, -ENOMEM, "write the shares");
        if (kept) {
                r = shares_open(vm->home->shares_fd, vm->id, ret);
                return r < 0 ? cvm_error_file(error, r, vm->home->shares_fd, vm->id,
                                              "open the shares")
                             : 0;
        }
        for (size_t i = 0; i < spec->n_certs; i++) {
                const LoadedCert *cert = &loaded->certs[i];

                certs[i] = (SharesCert){.name = spec->certs[i].name,
                                        .data = cert->data ?: spec->certs[i].data,
                                        .size = cert->data ? cert->size : spec->certs[i].size};
        }
        r = shares_create(vm->home->shares_fd, vm->id, vm->reserved.uid ?: geteuid(),
                          vm->reserved.uid ?: getegid(), spec, certs, spec->n_certs, ret, error);
        if (r < 0)
                return r;
        r = let_pass(vm, vm->home->shares_fd, vm->id);
        if (r == 0)
                return 0;
        shares_wipe(vm->home->shares_fd, vm->id);
        return cvm_error_file(error, r, vm->home->shares_fd, vm->id, "let its QEMU pass");
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
