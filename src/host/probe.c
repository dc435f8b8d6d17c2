/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <string.h>

#include "base/text.h"
#include "host/host_internal.h"

/* A line "KEY:   N kB" of /proc/meminfo in bytes, 0 if it is not there. */
static uint64_t meminfo_value(const char *root, const char *key)
{
        _cleanup_free_ char *text = host_read_file(root, "/proc/meminfo");
        char *save = NULL;

        for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
             line = strtok_r(NULL, "\n", &save)) {
                size_t length = strlen(key);
                char *number, *inner = NULL;
                uint64_t kib;

                if (strncmp(line, key, length) != 0 || line[length] != ':')
                        continue;
                number = strtok_r(line + length + 1, " \t", &inner);
                if (number && text_parse_uint(number, 0, UINT64_MAX / 1024, &kib) == 0)
                        return kib * 1024;
        }
        return 0;
}

uint64_t host_memory_available(const char *root)
{
        return meminfo_value(root, "MemAvailable");
}

/* The number of CPUs in a list such as "0-3,8". */
static uint32_t count_cpus(const char *root)
{
        _cleanup_free_ char *text = host_read_file(root, "/sys/devices/system/cpu/online");
        char *save = NULL;
        uint64_t n = 0;

        for (char *range = text ? strtok_r(text, ",\n", &save) : NULL; range;
             range = strtok_r(NULL, ",\n", &save)) {
                char *dash = strchr(range, '-');
                uint64_t first, last;

                if (dash)
                        *dash++ = 0;
                if (text_parse_uint(range, 0, UINT16_MAX, &first) < 0 ||
                    text_parse_uint(dash ?: range, first, UINT16_MAX, &last) < 0)
                        continue;
                n += last - first + 1;
        }
        return (uint32_t)n;
}

/* What a host gains and loses while it runs. */
static int probe_changing(const char *root, HostFacts *facts)
{
        facts->has_dev_sev = host_file_exists(root, "/dev/sev");
        facts->has_vhost_vsock = host_file_exists(root, "/dev/vhost-vsock");
        facts->has_nft = host_find_nft(root);
        facts->has_vhost_net = host_file_opens(root, "/dev/vhost-net");
        facts->memory_available = host_memory_available(root);
        host_probe_sev_status(root, facts);
        host_probe_pools(root, facts);
        return host_probe_qgs(root, facts);
}

int host_probe(const char *root, HostFacts **ret)
{
        _cleanup_(host_facts_freep) HostFacts *facts = calloc(1, sizeof(*facts));
        int r;

        if (!facts)
                return -ENOMEM;
        r = host_probe_cpu(root, facts);
        if (r < 0)
                return r;
        r = host_probe_kvm(root, facts);
        if (r < 0)
                return r;
        facts->memory_total = meminfo_value(root, "MemTotal");
        facts->cpus = count_cpus(root);
        host_probe_msr(root, facts);
        host_probe_memlock(root, facts);
        r = probe_changing(root, facts);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(facts);
        return 0;
}

static int copy_text(const char *from, char **to)
{
        *to = from ? strdup(from) : NULL;
        return from && !*to ? -ENOMEM : 0;
}

int host_refresh(const char *root, const HostFacts *facts, HostFacts **ret)
{
        _cleanup_(host_facts_freep) HostFacts *copy = malloc(sizeof(*copy));
        int r;

        if (!copy)
                return -ENOMEM;
        *copy = *facts;
        copy->cpu_vendor = copy->kvm_found = copy->kvm_fix = copy->qgs_found = NULL;
        if (copy_text(facts->cpu_vendor, &copy->cpu_vendor) < 0 ||
            copy_text(facts->kvm_found, &copy->kvm_found) < 0 ||
            copy_text(facts->kvm_fix, &copy->kvm_fix) < 0)
                return -ENOMEM;
        r = probe_changing(root, copy);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(copy);
        return 0;
}

HostFacts *host_facts_free(HostFacts *facts)
{
        if (facts) {
                free(facts->cpu_vendor);
                free(facts->kvm_found);
                free(facts->kvm_fix);
                free(facts->qgs_found);
                free(facts);
        }
        return NULL;
}
