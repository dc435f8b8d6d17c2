/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/capacity.h"

#include "launch/quota.h"
#include "manager/holders.h"

static int check_cpus(const Manager *manager, const HostFacts *facts, const Admission *admission,
                      uint32_t cpus, CvmError *error)
{
        uint64_t all = (uint64_t)facts->cpus * manager->home.config->vcpus_per_cpu, used = 0;
        const Vm *vm;

        if (facts->cpus == 0) /* the host does not report it */
                return 0;
        VM_TABLE_FOREACH_LIVE (vm, &manager->home.table)
                used += vm->cpus;
        if (used + cpus <= all)
                return 0;
        return cvm_error_no_resources(error, "cpus", cpus, used < all ? (int64_t)(all - used) : 0,
                                      holders_of_live(manager, admission->peer));
}

static bool uses(const Manager *manager, const Vm *vm, const char *check)
{
        const Template *template = template_set_find(manager->templates, vm->platform);

        return template && template_requires_host(template, check);
}

static int check_pool(const Manager *manager, const HostPool *pool, const char *check,
                      const Admission *admission, CvmError *error)
{
        json_object *holders;
        uint64_t taken = pool->used, own = 0;
        const Vm *vm;

        if (!pool->known || !template_requires_host(admission->template, check))
                return 0;
        holders = json_object_new_array();
        VM_TABLE_FOREACH_LIVE (vm, &manager->home.table) {
                if (!uses(manager, vm, check))
                        continue;
                if (vm->state == VM_PREPARING || vm->state == VM_STARTING)
                        taken++;
                if (vm->account == quota_account(manager, admission->peer->uid))
                        own++;
                holders_add(holders, manager, admission->peer, vm);
        }
        if (taken < pool->capacity) {
                json_object_put(holders);
                return quota_check_pool(manager, admission->peer, check, pool->capacity, own,
                                        error);
        }
        return cvm_error_no_resources(error, check, 1, 0, holders);
}

int capacity_check(const Manager *manager, const HostFacts *facts, const Admission *admission,
                   uint32_t cpus, CvmError *error)
{
        int r = check_cpus(manager, facts, admission, cpus, error);

        if (r == 0)
                r = check_pool(manager, &facts->asids_sev, "sev-asids", admission, error);
        if (r == 0)
                r = check_pool(manager, &facts->asids_sev_es, "sev-es-asids", admission, error);
        if (r == 0)
                r = check_pool(manager, &facts->keyids_tdx, "tdx-keyids", admission, error);
        return r;
}
