/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

typedef struct Used {
        uint64_t cvms, memory, cpus;
} Used;

static Used used_by(const Manager *manager, uid_t uid, const Vm *replaced)
{
        Used used = {};

        for (size_t i = 0; i < manager->n_vms; i++) {
                const Vm *vm = manager->vms[i];

                if (vm->owner != uid || vm == replaced)
                        continue;
                used.cvms++;
                if (!vm_state_is_live(vm->state))
                        continue;
                used.memory += vm->memory;
                used.cpus += vm->cpus;
        }
        return used;
}

int quota_check(const Manager *manager, const WirePeer *peer, const QuotaWish *wish,
                CvmError *error)
{
        const Config *config = manager->config;
        Used used = used_by(manager, peer->uid, wish->replaced);
        const struct {
                const char *resource;
                uint64_t limit, used, wanted;
                bool of_all;
        } quotas[] = {
                {"CVMs of this daemon", config->cvms_max, manager->n_vms - (wish->replaced ? 1 : 0),
                 1, true},
                {"CVMs of one user", config->cvms_per_uid_max, used.cvms, 1},
                {"memory of one user", config->memory_per_uid_max, used.memory, wish->memory},
                {"vCPUs of one user", config->vcpus_per_uid_max, used.cpus, wish->cpus},
        };

        for (size_t i = 0; i < ARRAY_SIZE(quotas); i++) {
                if (!quotas[i].limit || (!quotas[i].of_all && manager_is_admin(manager, peer)))
                        continue;
                if (quotas[i].used > quotas[i].limit ||
                    quotas[i].wanted > quotas[i].limit - quotas[i].used)
                        return cvm_error_quota(error, quotas[i].resource, (int64_t)quotas[i].limit,
                                               (int64_t)quotas[i].used, (int64_t)quotas[i].wanted);
        }
        return 0;
}
