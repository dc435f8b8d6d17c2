/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What this host can do, read once into HostFacts, and the named checks that templates require.
 *
 * All of it is read below `root` ("" on a real host), so that a tree of files of a documented host
 * can be replayed; CPUID comes from ROOT/cpuid (lines "LEAF SUBLEAF EAX EBX ECX EDX" in hex) when root
 * is not empty, else from the instruction. Reading never fails as a whole: what cannot be read is
 * absent.
 */

#include "base/error.h"

typedef struct HostFacts {
        char *cpu_vendor;          /* "AuthenticAMD", "GenuineIntel", … */
        bool has_virtualization;   /* vmx or svm in /proc/cpuinfo's flags */
        bool in_vm;                /* its hypervisor flag: this host is itself a virtual machine */
        bool cpu_sev, cpu_sev_es, cpu_sev_snp; /* CPUID 0x8000001F EAX bits 1, 3, 4: firmware and
                                                * kernel may still have it off */
        bool kernel_sev_snp;       /* sev_snp in the flags: the kernel found it on in the firmware */
        bool kernel_tdx;           /* tdx_host_platform in the flags, likewise */
        bool has_kvm;              /* /dev/kvm exists and opens read-write for this process */
        bool kvm_usable;           /* has_kvm and ordinary guests can be expected to run */
        char *kvm_found;           /* for a person: what was found of KVM and why it is not usable */
        char *kvm_fix;             /* what to do about it, or NULL */
        bool has_kvm_amd, has_kvm_intel;       /* the module is loaded or built in */
        bool kvm_sev, kvm_sev_es, kvm_sev_snp; /* kvm_amd's parameters (Y or 1) */
        bool kvm_tdx;                          /* kvm_intel's parameter */
        bool knows_sev_snp, knows_tdx;         /* the parameter exists: the kernel can do it */
        bool has_dev_sev;
        bool has_vhost_vsock;      /* /dev/vhost-vsock exists */
        uint32_t cbitpos;          /* CPUID 0x8000001F EBX[5:0], AMD APM vol. 3; 0: unknown */
        uint64_t memory_total;     /* bytes, MemTotal */
        uint64_t memory_available; /* bytes, MemAvailable at the time of the probe */
        uint32_t cpus;             /* online */
} HostFacts;

int host_probe(const char *root, HostFacts **ret); /* 0 or -ENOMEM */
HostFacts *host_facts_free(HostFacts *facts);
DEFINE_CLEANUP(HostFacts *, host_facts_free)
/* Reads MemAvailable again. */
uint64_t host_memory_available(const char *root);

/* One thing that a launch needs; the type Check of the interface. */
typedef struct HostCheck {
        char *name, *found, *needed; /* owned */
        char *fix;                   /* owned, or NULL */
        bool passed;
} HostCheck;

void host_check_done(HostCheck *check);

/* Makes the named check: kvm, sev, sev-es, sev-snp, tdx, vhost-vsock. -ENOENT: no check of that
 * name. Each `fix` is the next step to take: a kernel parameter, firmware item, package or group. */
int host_check(const HostFacts *facts, const char *name, HostCheck *ret);
/* Names of all checks, ended by NULL. */
const char *const *host_check_names(void);

/* A growing list of checks. */
typedef struct HostCheckList {
        HostCheck *items;
        size_t n;
} HostCheckList;

void host_check_list_done(HostCheckList *list);
/* Moves from *check. */
int host_check_list_add(HostCheckList *list, HostCheck *check);
/* Copies the texts; fix may be NULL. */
int host_check_list_add_new(HostCheckList *list, const char *name, const char *found,
                            const char *needed, bool passed, const char *fix);
/* An array of the interface's type Check. */
struct json_object *host_check_list_to_json(const HostCheckList *list);
