/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "host/host_internal.h"

/* AMD APM volume 2, 7.10.1 and 15.36; Intel SDM volume 4, and the TDX module's
 * base specification. */
#define MSR_SYSCFG 0xc0010010u
#define MSR_RMP_BASE 0xc0010132u
#define MSR_RMP_END 0xc0010133u
#define MSR_TME_ACTIVATE 0x982u
#define MSR_SEAMRR_MASK 0x1401u
#define MSR_KEYID_PARTITIONING 0x87u
#define MSR_MCHECK_ERROR 0xa0u

static HostMsr msr_read_device(int fd, uint32_t address)
{
        HostMsr msr = {};

        msr.known = pread(fd, &msr.value, sizeof(msr.value), address) == sizeof(msr.value);
        return msr;
}

static HostMsr msr_read_text(const char *text, uint32_t address)
{
        for (const char *line = text; line && *line;) {
                unsigned long long value;
                uint32_t found;

                if (sscanf(line, "%x %llx", &found, &value) == 2 && found == address)
                        return (HostMsr){.known = true, .value = value};
                line = strchr(line, '\n');
                line += line != NULL;
        }
        return (HostMsr){};
}

void host_probe_msr(const char *root, HostFacts *facts)
{
        const struct {
                const char *vendor;
                uint32_t address;
                HostMsr *msr;
        } all[] = {
                {"AuthenticAMD", MSR_SYSCFG, &facts->syscfg},
                {"AuthenticAMD", MSR_RMP_BASE, &facts->rmp_base},
                {"AuthenticAMD", MSR_RMP_END, &facts->rmp_end},
                {"GenuineIntel", MSR_TME_ACTIVATE, &facts->tme_activate},
                {"GenuineIntel", MSR_SEAMRR_MASK, &facts->seamrr_mask},
                {"GenuineIntel", MSR_KEYID_PARTITIONING, &facts->keyid_partition},
                {"GenuineIntel", MSR_MCHECK_ERROR, &facts->mcheck_error},
        };
        _cleanup_free_ char *text = *root ? host_read_file(root, "/msr") : NULL;
        _cleanup_close_ int fd = *root ? -1 : open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                if (strcmp(facts->cpu_vendor, all[i].vendor) != 0)
                        continue;
                *all[i].msr = fd >= 0 ? msr_read_device(fd, all[i].address)
                                      : msr_read_text(text, all[i].address);
        }
}
