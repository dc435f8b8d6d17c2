/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/psp-sev.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "host/host_internal.h"

/* Of Linux 6.11's psp-sev.h; older headers lack it. */
#define SNP_PLATFORM_STATUS_COMMAND 9

/* SEV-SNP firmware ABI 1.57, table "Structure of SNP_PLATFORM_STATUS". */
typedef struct SnpStatus {
        uint8_t major, minor, state, flags;
        uint32_t build, more_flags, guests;
        uint64_t tcb, reported_tcb;
} __attribute__((packed)) SnpStatus;

static void sev_status_read_device(HostFacts *facts)
{
        _cleanup_close_ int fd = open("/dev/sev", O_RDWR | O_CLOEXEC);
        struct sev_user_data_status status = {};
        SnpStatus snp = {};
        struct sev_issue_cmd command = {.cmd = SEV_PLATFORM_STATUS, .data = (uintptr_t)&status};

        if (fd < 0)
                return;
        if (ioctl(fd, SEV_ISSUE_CMD, &command) == 0)
                facts->sev_status = (HostSevStatus){
                        true,         status.api_major, status.api_minor,  status.state,
                        status.flags, status.build,     status.guest_count};
        command =
                (struct sev_issue_cmd){.cmd = SNP_PLATFORM_STATUS_COMMAND, .data = (uintptr_t)&snp};
        if (ioctl(fd, SEV_ISSUE_CMD, &command) == 0)
                facts->snp_status = (HostSevStatus){true,      snp.major, snp.minor, snp.state,
                                                    snp.flags, snp.build, snp.guests};
}

static void sev_status_read_text(const char *text, const char *name, HostSevStatus *ret)
{
        for (const char *line = text; line && *line;) {
                unsigned major, minor, state, flags, build, guests;
                char word[16];

                if (sscanf(line, "%15s %u %u %u %i %u %u", word, &major, &minor, &state,
                           (int *)&flags, &build, &guests) == 7 &&
                    strcmp(word, name) == 0)
                        *ret = (HostSevStatus){true,           (uint8_t)major, (uint8_t)minor,
                                               (uint8_t)state, flags,          build,
                                               guests};
                line = strchr(line, '\n');
                line += line != NULL;
        }
}

void host_probe_sev_status(const char *root, HostFacts *facts)
{
        _cleanup_free_ char *text = *root ? host_read_file(root, "/sev-status") : NULL;

        facts->sev_status = facts->snp_status = (HostSevStatus){};
        if (!*root)
                sev_status_read_device(facts);
        sev_status_read_text(text, "platform", &facts->sev_status);
        sev_status_read_text(text, "snp", &facts->snp_status);
}
