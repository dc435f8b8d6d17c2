/* SPDX-License-Identifier: Apache-2.0 */

/* Checks of what a host runs out of, and of which other programs must run. */

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "host/host_internal.h"

static int host_check_pool(const HostPool *pool, const char *what, const char *fix, HostCheck *ret)
{
        if (!pool->known)
                return host_verdict(
                        ret, NULL, "unknown: /sys/fs/cgroup has no misc controller with %ss", what);
        return host_verdict(ret, pool->used < pool->capacity ? NULL : fix,
                            "%" PRIu64 " of %" PRIu64 " %ss in use", pool->used, pool->capacity,
                            what);
}

int host_check_sev_asids(const HostFacts *facts, HostCheck *ret)
{
        return host_check_pool(&facts->asids_sev, "SEV ASID",
                               "stop an SEV guest, or lower the SEV-ES ASID Space Limit in the "
                               "firmware setup, which leaves more for SEV",
                               ret);
}

/* SEV-SNP guests take SEV-ES's. */
int host_check_sev_es_asids(const HostFacts *facts, HostCheck *ret)
{
        return host_check_pool(&facts->asids_sev_es, "SEV-ES and SEV-SNP ASID",
                               "stop an SEV-ES or SEV-SNP guest, or raise the SEV-ES ASID Space "
                               "Limit in the firmware setup",
                               ret);
}

int host_check_tdx_keyids(const HostFacts *facts, HostCheck *ret)
{
        return host_check_pool(
                &facts->keyids_tdx, "TDX key ID",
                "stop a TDX guest, or give TDX more key IDs in the firmware setup (TME-MT "
                "and TDX key split)",
                ret);
}

int host_check_qgs(const HostFacts *facts, HostCheck *ret)
{
        return host_verdict(
                ret,
                facts->qgs != HOST_QGS_NONE
                        ? NULL
                        : "install and start Intel DCAP's quote generation service (package "
                          "tdx-qgs, service qgsd); its socket belongs to group qgsd: if cvmd does "
                          "not run as root, add its user to that group",
                "%s", facts->qgs_found ?: "not checked");
}

int host_check_memlock(const HostFacts *facts, HostCheck *ret)
{
        char size[24];

        if (facts->memlock == UINT64_MAX)
                return host_verdict(ret, NULL, "no limit");
        return host_verdict(ret,
                            "start cvmd with LimitMEMLOCK=infinity (systemd), or set memlock to "
                            "unlimited for its user in /etc/security/limits.conf",
                            "at most %s", text_format_size(facts->memlock, size));
}
