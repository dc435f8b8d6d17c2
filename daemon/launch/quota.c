/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/quota.h"

#include "vm/charges.h"

#include <stdio.h>
#include <string.h>

#define PORTS_PER_UID_MIN 64 /* of the default: what one CVM may forward */

typedef struct Used {
        uint64_t cvms, memory, cpus, ports;
} Used;

/* A port that the spec names is as gone for others as a chosen one. */
size_t quota_ports(const Config *config, const Vm *vm)
{
        size_t n = 0;

        for (size_t i = 0; i < vm->reserved.n_forwards; i++) {
                uint16_t port = vm->reserved.forwards[i].host_port;

                if (port == 0 || (port >= config->port_first && port <= config->port_last))
                        n++;
        }
        return n;
}

/* Without a configured one a quarter of the range, as far as that does for a CVM. */
static uint64_t ports_limit(const Config *config)
{
        uint64_t quarter = (config->port_last - config->port_first + 1) / 4;

        return config->ports_per_uid_max
                       ?: quarter > PORTS_PER_UID_MIN ? quarter
                                                      : PORTS_PER_UID_MIN;
}

uid_t quota_account(const Manager *manager, uid_t uid)
{
        return subuids_account(manager->home.config->subuids, uid);
}

static Used used_by(const Manager *manager, uid_t account, uint64_t *ret_all)
{
        Used used = {};
        const Vm *vm;

        *ret_all = 0;
        VM_TABLE_FOREACH_LIVE (vm, &manager->home.table) {
                ++*ret_all;
                if (vm->account != account)
                        continue;
                used.cvms++;
                used.memory += vm->memory;
                used.cpus += vm->cpus;
                used.ports += quota_ports(manager->home.config, vm);
        }
        return used;
}

int quota_check(const Manager *manager, const WirePeer *peer, const QuotaWish *wish,
                CvmError *error)
{
        const Config *config = manager->home.config;
        uint64_t all;
        Used used = used_by(manager, quota_account(manager, peer->uid), &all);
        const struct {
                const char *resource;
                uint64_t limit, used, wanted;
                bool of_all;
        } quotas[] = {
                {"CVMs of this daemon", config->cvms_max, all, 1, true},
                {"CVMs of one user", config->cvms_per_uid_max, used.cvms, 1},
                {"memory of one user", config->memory_per_uid_max, used.memory, wish->memory},
                {"vCPUs of one user", config->vcpus_per_uid_max, used.cpus, wish->cpus},
                {"ports of one user", ports_limit(config), used.ports, wish->ports},
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

int quota_check_pool(const Manager *manager, const WirePeer *peer, const char *resource,
                     uint64_t capacity, uint64_t used, CvmError *error)
{
        uint64_t limit = manager->home.config->keys_per_uid_max ?: (capacity + 1) / 2;
        char text[64];

        if (used < limit || manager_is_admin(manager, peer))
                return 0;
        snprintf(text, sizeof(text), "%s of one user", resource);
        return cvm_error_quota(error, text, (int64_t)limit, (int64_t)used, 1);
}

static uint64_t limit_for(const Manager *manager, const WirePeer *peer, uint64_t limit)
{
        return manager_is_admin(manager, peer) ? 0 : limit;
}

void quota_bound_load(const Manager *manager, const WirePeer *peer, LoadSource *source)
{
        const Config *config = manager->home.config;

        source->account = quota_account(manager, peer->uid);
        source->artifact_ledger = manager->home.artifact_ledger;
        source->secret_ledger = manager->home.secret_ledger;
        source->artifact_bound =
                (LedgerBound){limit_for(manager, peer, config->artifact_bytes_per_uid_max), true};
        source->secret_bound =
                (LedgerBound){limit_for(manager, peer, config->secret_bytes_per_uid_max), false};
}

/* As shares.h lays them out. */
static int count_secrets(const CvmSpec *spec, const Loaded *loaded, uint64_t *ret)
{
        char *text = NULL;
        uint64_t bytes;
        size_t size;
        int r = spec_environment_file(spec, &text, &size);

        if (r < 0)
                return r;
        explicit_bzero(text, size);
        free(text);
        bytes = ledger_pages(size);
        for (size_t i = 0; i < spec->n_certs; i++)
                bytes += ledger_pages(loaded->certs[i].data ? loaded->certs[i].size
                                                            : spec->certs[i].size);
        *ret = bytes;
        return 0;
}

int quota_take_secrets(const Manager *manager, Vm *vm, const WirePeer *peer, const CvmSpec *spec,
                       Loaded *loaded, CvmError *error)
{
        const LedgerBound bound = {
                limit_for(manager, peer, manager->home.config->secret_bytes_per_uid_max), false};
        uint64_t bytes;
        int r = count_secrets(spec, loaded, &bytes);

        if (r < 0)
                return cvm_error_system(error, r, "count the environment");
        ledger_cancel(loaded->secret_ledger, loaded->account, loaded->reserved_secrets);
        loaded->reserved_secrets = 0;
        r = ledger_reserve(manager->home.secret_ledger, vm->account, bytes, &bound, error);
        if (r == 0)
                charge_secrets(vm, bytes);
        return r;
}
