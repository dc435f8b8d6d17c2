/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The named checks. Each looks at what it needs in the order in which an operator would set it up
 * and reports the first thing that lacks, so that its fix is the next step to take.
 */
#include "host/host.h"

#include <string.h>

#include "host/host_internal.h"

#define SYSCFG_MEMORY_ENCRYPTION (1u << 23)
#define SNP_API_MAJOR 1 /* what Linux asks for (drivers/crypto/ccp/sev-dev.h, SNP_MIN_API) */
#define SNP_API_MINOR 51
#define SNP_RMP_INITIALIZED (1u << 0)
#define SNP_ALIAS_CHECKED (1u << 1)
#define TME_ENABLED (1u << 1)
#define SEAMRR_ENABLED (1u << 11)
#define FIX_AMD "use a bare-metal host with an AMD EPYC of the "
#define FIX_INTEL                                                                                  \
        "use a bare-metal host with an Intel Xeon of the 5th generation or newer, or Xeon 6"

static int check_kvm(const HostFacts *facts, HostCheck *ret)
{
        return host_verdict(ret, facts->kvm_usable ? NULL : facts->kvm_fix, "%s", facts->kvm_found);
}

static const char *where(const HostFacts *facts)
{
        return facts->in_vm ? ", and this host is itself a virtual machine" : "";
}

/* What SEV, SEV-ES and SEV-SNP have in common, up to kvm_amd. Returns 1 if all of it is there. */
static int check_amd(const HostFacts *facts, const char *what, bool cpu, const char *fix,
                     HostCheck *ret)
{
        int r;

        if (strcmp(facts->cpu_vendor, "AuthenticAMD") != 0)
                r = host_verdict(ret, fix, "CPU vendor %s", facts->cpu_vendor);
        else if (!cpu)
                r = host_verdict(ret, fix, "a CPU without %s%s", what, where(facts));
        else if (!facts->kvm_usable)
                r = check_kvm(facts, ret);
        else if (!facts->has_kvm_amd)
                r = host_verdict(ret, "run `modprobe kvm_amd`", "module kvm_amd is not loaded");
        else
                return 1;
        return r;
}

static int check_dev_sev(const HostFacts *facts, const char *what, HostCheck *ret)
{
        if (!facts->has_dev_sev)
                return host_verdict(ret,
                                    "run `modprobe ccp`; if /dev/sev still does not exist, see "
                                    "`dmesg | grep ccp`: update the firmware (BIOS) or install the "
                                    "SEV firmware in /lib/firmware/amd",
                                    "/dev/sev does not exist");
        return host_verdict(ret, NULL, "%s is on, /dev/sev exists", what);
}

static int host_check_sev(const HostFacts *facts, HostCheck *ret)
{
        int r = check_amd(facts, "SEV", facts->cpu_sev, FIX_AMD "7001 series or newer", ret);

        if (r != 1)
                return r;
        if (!facts->kvm_sev)
                return host_verdict(
                        ret,
                        "turn on SMEE (Secure Memory Encryption) in the firmware setup and load "
                        "kvm_amd with sev=1 (`options kvm_amd sev=1` in /etc/modprobe.d/cvmd.conf)",
                        "parameter sev of kvm_amd is off");
        return check_dev_sev(facts, "SEV", ret);
}

static int check_sev_es(const HostFacts *facts, HostCheck *ret)
{
        int r = check_amd(facts, "SEV-ES", facts->cpu_sev_es, FIX_AMD "7002 series or newer", ret);

        if (r != 1)
                return r;
        if (!facts->kvm_sev_es)
                return host_verdict(ret,
                                    "turn on SMEE in the firmware setup, set its SEV-ES ASID Space "
                                    "Limit above 1, and load kvm_amd with sev=1 sev_es=1 (`options "
                                    "kvm_amd sev=1 sev_es=1` in /etc/modprobe.d/cvmd.conf)",
                                    "parameter sev_es of kvm_amd is off");
        return check_dev_sev(facts, "SEV-ES", ret);
}

/* What the SEV firmware reports about itself, if it may be asked. */
static int check_snp_firmware(const HostFacts *facts, HostCheck *ret)
{
        const HostSevStatus *status = &facts->snp_status;

        if (!status->known || !facts->has_dev_sev)
                return check_dev_sev(facts, "SEV-SNP", ret);
        if (status->major < SNP_API_MAJOR ||
            (status->major == SNP_API_MAJOR && status->minor < SNP_API_MINOR))
                return host_verdict(ret,
                                    "update the SEV firmware: the BIOS, or the package "
                                    "amd64-microcode or linux-firmware with /lib/firmware/amd",
                                    "SEV firmware %u.%u.%u, which is older than 1.51",
                                    status->major, status->minor, status->build);
        if (!(status->flags & SNP_RMP_INITIALIZED))
                return host_verdict(ret,
                                    "see `dmesg | grep -i -e sev -e ccp` for why the firmware was "
                                    "not initialized; reload kvm_amd, or reboot",
                                    "SEV firmware %u.%u.%u whose RMP table is not initialized",
                                    status->major, status->minor, status->build);
        return host_verdict(ret, NULL, "SEV-SNP is on, SEV firmware %u.%u.%u, %u guests%s",
                            status->major, status->minor, status->build, status->guests,
                            status->flags & SNP_ALIAS_CHECKED ? ""
                                                              : ", memory aliases not checked");
}

static int check_sev_snp(const HostFacts *facts, HostCheck *ret)
{
        int r = check_amd(facts, "SEV-SNP", facts->cpu_sev_snp, FIX_AMD "7003 series or newer",
                          ret);

        if (r != 1)
                return r;
        if (!facts->knows_sev_snp)
                return host_verdict(ret, "boot Linux 6.11 or newer, built with CONFIG_KVM_AMD_SEV",
                                    "a kernel whose kvm_amd does not have the parameter sev_snp");
        if (!facts->kvm_sev_snp && !facts->kernel_sev_snp && facts->syscfg.known &&
            !(facts->syscfg.value & SYSCFG_MEMORY_ENCRYPTION))
                return host_verdict(
                        ret, "turn on SMEE (Secure Memory Encryption) in the firmware setup",
                        "memory encryption is off in the firmware (SYSCFG bit 23 is 0)");
        if (!facts->kvm_sev_snp && !facts->kernel_sev_snp && facts->rmp_end.known &&
            facts->rmp_end.value == 0)
                return host_verdict(ret,
                                    "turn on SEV-SNP Support and SNP Memory (RMP Table) Coverage "
                                    "in the firmware setup",
                                    "no memory is reserved for the RMP table (RMP_END is 0)");
        if (!facts->kvm_sev_snp && !facts->kernel_sev_snp)
                return host_verdict(
                        ret,
                        "in the firmware setup, turn on SMEE, SEV-SNP Support and SNP Memory (RMP "
                        "Table) Coverage and set the SEV-ES ASID Space Limit above 1; leave the "
                        "IOMMU on (no amd_iommu=off, iommu=off or iommu=pt on the kernel command "
                        "line); `dmesg | grep -i sev-snp` shows which of these is the cause",
                        "the kernel found SEV-SNP off in the firmware, or the IOMMU unsuitable for "
                        "it (no sev_snp in /proc/cpuinfo)");
        if (!facts->kvm_sev_snp)
                return host_verdict(ret,
                                    "load kvm_amd with sev=1 sev_es=1 sev_snp=1 (`options kvm_amd "
                                    "sev=1 sev_es=1 sev_snp=1` in /etc/modprobe.d/cvmd.conf)",
                                    "parameter sev_snp of kvm_amd is off");
        return check_snp_firmware(facts, ret);
}

/* Where registers may be read they name the firmware item; returns whether they did. */
static bool firmware_tdx(const HostFacts *facts, HostCheck *ret, int *ret_r)
{
        const struct {
                const HostMsr *msr;
                bool good;
                const char *found, *fix;
        } all[] = {
                {&facts->tme_activate, facts->tme_activate.value & TME_ENABLED,
                 "memory encryption is off in the firmware (MSR 0x982 bit 1 is 0)",
                 "turn on TME (Total Memory Encryption) and TME-MT in the firmware setup"},
                {&facts->keyid_partition, facts->keyid_partition.value >> 32,
                 "no key IDs for TDX (MSR 0x87 bits 63:32 are 0)",
                 "turn on TDX and give it key IDs (TDX key split) in the firmware setup"},
                {&facts->seamrr_mask, facts->seamrr_mask.value & SEAMRR_ENABLED,
                 "no memory range for the SEAM loader (MSR 0x1401 bit 11 is 0)",
                 "turn on the TDX SEAM loader in the firmware setup"},
                {&facts->mcheck_error, facts->mcheck_error.value == 0,
                 "the processor's check of the TDX configuration failed (MSR 0xA0 is not 0)",
                 "install memory evenly, with the same modules in each channel, and update the "
                 "BIOS: the check covers all sockets"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                if (all[i].msr->known && !all[i].good) {
                        *ret_r = host_verdict(ret, all[i].fix, "%s", all[i].found);
                        return true;
                }
        return false;
}

static int check_tdx(const HostFacts *facts, HostCheck *ret)
{
        int r = 0;

        if (strcmp(facts->cpu_vendor, "GenuineIntel") != 0)
                return host_verdict(ret, FIX_INTEL, "CPU vendor %s", facts->cpu_vendor);
        if (!facts->kvm_usable)
                return check_kvm(facts, ret);
        if (!facts->has_kvm_intel)
                return host_verdict(ret, "run `modprobe kvm_intel tdx=1`",
                                    "module kvm_intel is not loaded");
        if (!facts->knows_tdx)
                return host_verdict(ret,
                                    "boot Linux 6.16 or newer, built with CONFIG_KVM_INTEL_TDX",
                                    "a kernel whose kvm_intel does not have the parameter tdx");
        if (facts->kvm_tdx)
                return host_verdict(ret, NULL, "parameter tdx of kvm_intel is on");
        if (!facts->kernel_tdx && !facts->in_vm && firmware_tdx(facts, ret, &r))
                return r;
        if (!facts->kernel_tdx)
                return host_verdict(
                        ret,
                        facts->in_vm ? FIX_INTEL
                                     : "in the firmware setup, turn on TME, TME-MT, TDX and the "
                                       "SEAM loader and give TDX some key IDs; `dmesg | grep "
                                       "virt/tdx` shows what the kernel found",
                        "the kernel did not find TDX (no tdx_host_platform in /proc/cpuinfo)%s",
                        where(facts));
        return host_verdict(ret,
                            "load kvm_intel with tdx=1: `kvm_intel.tdx=1` on the kernel command "
                            "line or `options kvm_intel tdx=1` in /etc/modprobe.d/cvmd.conf; "
                            "`dmesg | grep virt/tdx` shows whether the TDX module failed to start",
                            "parameter tdx of kvm_intel is off");
}

static int check_vhost_vsock(const HostFacts *facts, HostCheck *ret)
{
        if (!facts->has_vhost_vsock)
                return host_verdict(ret,
                                    "run `modprobe vhost_vsock`, and put vhost_vsock in "
                                    "/etc/modules-load.d/cvmd.conf",
                                    "/dev/vhost-vsock does not exist");
        return host_verdict(ret, NULL, "/dev/vhost-vsock exists");
}

static int host_check_nft(const HostFacts *facts, HostCheck *ret)
{
        if (!facts->has_nft)
                return host_verdict(ret,
                                    "install nftables and restart cvmd, or launch with network "
                                    "'isolated' or 'passt'",
                                    "nft is not installed: a guest on network 'user' can reach "
                                    "this host's own addresses, including 127.0.0.1");
        return host_verdict(ret, NULL, "nft is installed");
}

/* name, what is needed, function */
#define CHECKS(X)                                                                                  \
        X("kvm", "working KVM that runs ordinary guests", check_kvm)                               \
        X("sev", "AMD SEV, enabled in firmware and kernel", host_check_sev)                        \
        X("sev-es", "AMD SEV-ES, enabled in firmware and kernel", check_sev_es)                    \
        X("sev-snp", "AMD SEV-SNP, enabled in firmware and kernel", check_sev_snp)                 \
        X("tdx", "Intel TDX, enabled in firmware and kernel", check_tdx)                           \
        X("vhost-vsock", "/dev/vhost-vsock", check_vhost_vsock)                                    \
        X("sev-asids", "a free ASID for SEV", host_check_sev_asids)                                \
        X("sev-es-asids", "a free ASID for SEV-ES or SEV-SNP", host_check_sev_es_asids)            \
        X("tdx-keyids", "a free key ID for TDX", host_check_tdx_keyids)                            \
        X("qgs", "a quote generation service for TDX", host_check_qgs)                             \
        X("memlock", "no limit on locked memory", host_check_memlock)                              \
        X("nft", "nftables, to keep guests from this host's own addresses", host_check_nft)

#define CHECK_ENTRY(name, needed, check) {name, needed, check},
#define CHECK_NAME(name, needed, check) name,

static const struct {
        const char *name, *needed;
        int (*check)(const HostFacts *facts, HostCheck *ret);
} checks[] = {CHECKS(CHECK_ENTRY)};

static const char *const check_names[] = {CHECKS(CHECK_NAME) NULL};

int host_check(const HostFacts *facts, const char *name, HostCheck *ret)
{
        _cleanup_(host_check_done) HostCheck check = {};
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
                if (strcmp(checks[i].name, name) != 0)
                        continue;
                check.name = strdup(name);
                check.needed = strdup(checks[i].needed);
                if (!check.name || !check.needed)
                        return -ENOMEM;
                r = checks[i].check(facts, &check);
                if (r < 0)
                        return r;
                *ret = TAKE_STRUCT(check);
                return 0;
        }
        return -ENOENT;
}

const char *const *host_check_names(void)
{
        return check_names;
}
