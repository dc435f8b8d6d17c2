/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What this host can do, read once into HostFacts, and the named checks that templates require.
 *
 * All of it is read below `root` ("" on a real host), so that a tree of files of a documented host
 * can be replayed; CPUID comes from ROOT/cpuid (lines "LEAF SUBLEAF EAX EBX ECX EDX" in hex) when
 * root is not empty, else from the instruction. Reading never fails as a whole: what cannot be read
 * is absent.
 */

#include "base/error.h"

/* A pool of the kernel's misc controller (cgroup-v2, Misc): how many there are and are in use. */
typedef struct HostPool {
        bool known;
        uint64_t capacity, used;
} HostPool;

/* Model-specific registers, read from /dev/cpu/0/msr; replayed from ROOT/msr, "ADDRESS VALUE"
 * in hex. */
typedef struct HostMsr {
        bool known; /* root, and module msr is loaded */
        uint64_t value;
} HostMsr;

/* The SEV firmware's own answer (ioctl on /dev/sev: SEV_PLATFORM_STATUS, SNP_PLATFORM_STATUS of the
 * SEV API and the SEV-SNP firmware ABI); replayed from ROOT/sev-status, lines "platform MAJOR MINOR
 * STATE FLAGS BUILD GUESTS" and "snp …", flags being byte 3 there. */
typedef struct HostSevStatus {
        bool known;
        uint8_t major, minor, state;
        uint32_t flags, build, guests;
} HostSevStatus;

typedef enum HostQgs {
        HOST_QGS_NONE,
        HOST_QGS_UNIX,  /* HOST_QGS_SOCKET is connected to */
        HOST_QGS_VSOCK, /* port HOST_QGS_PORT of the host is */
} HostQgs;

/* Of Intel's DCAP, and what it had before. */
#define HOST_QGS_SOCKET "/var/run/tdx-qgs/qgs.socket"
#define HOST_QGS_PORT 4050

typedef struct HostFacts {
        char *cpu_vendor;        /* "AuthenticAMD", "GenuineIntel", … */
        bool has_virtualization; /* vmx or svm in /proc/cpuinfo's flags */
        bool in_vm;              /* its hypervisor flag: this host is itself a virtual machine */
        bool cpu_sev, cpu_sev_es, cpu_sev_snp; /* CPUID 0x8000001F EAX bits 1, 3, 4: firmware and
                                                * kernel may still have it off */
        bool kernel_sev_snp; /* sev_snp in the flags: the kernel found it on in the firmware */
        bool kernel_tdx;     /* tdx_host_platform in the flags, likewise */
        bool has_kvm;        /* /dev/kvm exists and opens read-write for this process */
        bool kvm_usable;     /* has_kvm and ordinary guests can be expected to run */
        char *kvm_found;     /* for a person: what was found of KVM and why it is not usable */
        char *kvm_fix;       /* what to do about it, or NULL */
        bool has_kvm_amd, has_kvm_intel;       /* the module is loaded or built in */
        bool kvm_sev, kvm_sev_es, kvm_sev_snp; /* kvm_amd's parameters (Y or 1) */
        bool kvm_tdx;                          /* kvm_intel's parameter */
        bool knows_sev_snp, knows_tdx;         /* the parameter exists: the kernel can do it */
        bool has_dev_sev;
        bool has_vhost_vsock;  /* /dev/vhost-vsock exists */
        bool has_nft;          /* nftables' program is there */
        bool has_vhost_net;    /* /dev/vhost-net opens for this process */
        uint32_t sev_guests;   /* CPUID 0x8000001F ECX: encrypted guests at once */
        uint32_t sev_asid_min; /* its EDX: ASIDs below it are for SEV-ES and SEV-SNP */
        HostPool asids_sev, asids_sev_es, keyids_tdx;
        HostMsr syscfg;            /* 0xC0010010: bit 23 memory encryption, 24 SNP */
        HostMsr rmp_base, rmp_end; /* 0xC0010132, 0xC0010133: the RMP table's place */
        HostMsr tme_activate;      /* 0x982: bit 1 memory encryption on */
        HostMsr seamrr_mask;       /* 0x1401: bit 11 the range of the SEAM loader is set */
        HostMsr keyid_partition;   /* 0x87: bits 63:32 key IDs of TDX */
        HostMsr mcheck_error;      /* 0xA0: why the firmware's check of TDX failed, 0: it did not */
        HostSevStatus sev_status, snp_status;
        HostQgs qgs;
        char *qgs_found;           /* for a person */
        uint64_t memlock;          /* bytes that a process may lock, UINT64_MAX: any */
        uint32_t address_bits;     /* physical ones: CPUID 0x80000008 EAX[7:0], AMD APM vol. 3 and
                                    * Intel SDM vol. 2, or /proc/cpuinfo's "address sizes"; 0:
                                    * unknown */
        uint32_t cbitpos;          /* CPUID 0x8000001F EBX[5:0], AMD APM vol. 3; 0: unknown */
        uint64_t memory_total;     /* bytes, MemTotal */
        uint64_t memory_available; /* bytes, MemAvailable at the time of the probe */
        uint32_t cpus;             /* online */
} HostFacts;

int host_probe(const char *root, HostFacts **ret); /* 0 or -ENOMEM */
HostFacts *host_facts_free(HostFacts *facts);
DEFINE_CLEANUP(HostFacts *, host_facts_free)
/* A copy in which the facts that change while a host runs are read again: pools, quote service,
 * memory, devices. May block for half a second on a host with TDX. Returns 0 or -ENOMEM. */
int host_refresh(const char *root, const HostFacts *facts, HostFacts **ret);
/* Reads the pools again; a few files of the kernel's. */
void host_probe_pools(const char *root, HostFacts *facts);
/* Reads MemAvailable again. 0: it cannot be read. */
uint64_t host_memory_available(const char *root);

/* The program of nftables; NULL: there is none. Static. */
const char *host_find_nft(const char *root);

/* One thing that a launch needs; the type Check of the interface. */
typedef struct HostCheck {
        char *name, *found, *needed; /* owned */
        char *fix;                   /* owned, or NULL */
        bool passed;
} HostCheck;

void host_check_done(HostCheck *check);

/* Makes the named check: kvm, sev, sev-es, sev-snp, tdx, vhost-vsock, sev-asids, sev-es-asids,
 * tdx-keyids, qgs, memlock, nft. -ENOENT: no check of that name. A check that cannot be made here
 * passes, and `found` states that. Each `fix` is the next step to take: a kernel parameter,
 * firmware item, package or group. */
int host_check(const HostFacts *facts, const char *name, HostCheck *ret);
/* Names of all checks, ended by NULL. */
const char *const *host_check_names(void);

/* Whether QEMU can open a device, or a service's socket: as a user of its own in the group of it
 * (by_group; root's group does not count), or as this process. -ENOENT: there is none. */
int host_check_device(const char *root, const char *path, bool by_group, HostCheck *ret);

/* Checks whether a program that a companion requires exists. path: where it was found or is
 * configured; NULL: nowhere. */
int host_check_program(const char *name, const char *path, const char *package, HostCheck *ret);

/* Whether a PCI device, by its full address, can be a guest's: it exists, is in an IOMMU group, and
 * vfio-pci is bound to it and to everything else in the group that is not a bridge. *ret_path: the
 * group's device below /dev/vfio, newly allocated; NULL if the check did not pass. Returns 0 or
 * -ENOMEM. */
int host_check_vfio(const char *root, const char *device, char **ret_path, HostCheck *ret);

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
