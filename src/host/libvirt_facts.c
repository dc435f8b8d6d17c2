/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt_facts.h"

#include <stdio.h>
#include <string.h>

static int libvirt_facts_add(HostCheckList *list, bool all, bool passed, const char *name,
                             const char *found, const char *needed, const char *fix)
{
        return passed && !all ? 0
                              : host_check_list_add_new(list, name, found, needed, passed,
                                                        passed ? NULL : fix);
}

static bool knows(const LibvirtFacts *facts, const char *security)
{
        return (strcmp(security, "sev") == 0 && facts->sev) ||
               (strcmp(security, "sev-snp") == 0 && facts->sev_snp) ||
               (strcmp(security, "tdx") == 0 && facts->tdx);
}

static int libvirt_facts_check_security(const LibvirtFacts *facts, const char *version,
                                        const char *security, bool all, HostCheckList *list)
{
        /* as libvirt's release notes have it */
        static const struct {
                const char *security, *fix;
        } since[] = {
                {"sev-snp", "libvirt 10.5 or newer, and a QEMU and host that support it"},
                {"tdx", "libvirt 11.6 or newer, and a QEMU and host that support it"},
        };
        const char *fix = "a host whose libvirt supports it (virsh domcapabilities)";
        char found[160], needed[64];

        snprintf(found, sizeof(found), "%s supports%s%s%s%s here", version,
                 facts->sev ? " sev" : "", facts->sev_snp ? " sev-snp" : "",
                 facts->tdx ? " tdx" : "",
                 facts->sev || facts->sev_snp || facts->tdx ? "" : " no launch security");
        snprintf(needed, sizeof(needed), "launch security %s", security);
        for (size_t i = 0; i < ARRAY_SIZE(since); i++)
                if (strcmp(since[i].security, security) == 0)
                        fix = since[i].fix;
        return libvirt_facts_add(list, all, knows(facts, security), "libvirt-security", found,
                                 needed, fix);
}

int libvirt_needs_check(const LibvirtFacts *facts, const char *uri, const char *reason,
                        const LibvirtNeeds *needs, bool all, HostCheckList *list)
{
        char version[64], needed[256];
        int r;

        snprintf(needed, sizeof(needed), "libvirt at %s", uri);
        if (!facts)
                return libvirt_facts_add(list, all, false, "libvirt",
                                         reason ?: "it does not respond", needed,
                                         "install the package libvirt-daemon-system, start "
                                         "libvirt, or set another one in cvmd.conf (libvirt.uri)");
        snprintf(version, sizeof(version), "libvirt %lu.%lu.%lu", facts->version / 1000000,
                 facts->version / 1000 % 1000, facts->version % 1000);
        r = libvirt_facts_add(list, all, true, "libvirt", version, needed, NULL);
        if (r == 0)
                r = libvirt_facts_add(list, all, facts->memfd, "libvirt-memfd",
                                      facts->memfd ? "it can" : "it cannot", "memory by memfd",
                                      "a libvirt whose domain capabilities list it");
        if (r == 0)
                r = libvirt_facts_add(list, all, facts->shares, "libvirt-9p",
                                      facts->shares ? "it can" : "it cannot", "directories over 9p",
                                      "a libvirt and QEMU whose domain capabilities list it");
        if (r == 0 && all)
                r = libvirt_facts_add(list, all, true, "libvirt-ports",
                                      facts->passt ? "by passt"
                                                   : "QEMU's own user network, through arguments, "
                                                     "so libvirt marks the domain as tainted",
                                      "a way to forward ports", NULL);
        if (r == 0 && needs->tpm)
                r = libvirt_facts_add(
                        list, all, facts->tpm, "libvirt-tpm", facts->tpm ? "it can" : "it cannot",
                        "a TPM emulator that libvirt does not run itself",
                        "libvirt 9.0 or newer, and the packages swtpm and swtpm-tools, without "
                        "which libvirt supports no TPM emulator");
        if (r == 0 && *needs->security)
                r = libvirt_facts_check_security(facts, version, needs->security, all, list);
        return r;
}
