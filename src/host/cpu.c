/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "host/host_internal.h"

#define LEAF_EXTENDED_MAX 0x80000000u
#define LEAF_ADDRESS_SIZES 0x80000008u
#define EAX_ADDRESS_BITS 0xffu
#define LEAF_MEMORY_ENCRYPTION 0x8000001fu /* AMD APM volume 3, appendix E.4.17 */
#define EAX_SEV (1u << 1)
#define EAX_SEV_ES (1u << 3)
#define EAX_SEV_SNP (1u << 4)
#define EBX_CBITPOS 0x3fu

typedef struct Registers {
        uint32_t eax, ebx, ecx, edx;
} Registers;

static bool cpuid_of_machine(uint32_t leaf, Registers *ret)
{
#if defined(__x86_64__)
        return __get_cpuid_count(leaf, 0, &ret->eax, &ret->ebx, &ret->ecx, &ret->edx) == 1;
#else
        return false;
#endif
}

/* A leaf's registers in subleaf 0, false where the file does not list it. */
static bool cpuid_of_file(const char *root, uint32_t leaf, Registers *ret)
{
        _cleanup_free_ char *text = host_read_file(root, "/cpuid");
        char *save = NULL;

        for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
             line = strtok_r(NULL, "\n", &save)) {
                uint32_t found, subleaf;
                Registers r;

                if (sscanf(line, "%x %x %x %x %x %x", &found, &subleaf, &r.eax, &r.ebx, &r.ecx,
                           &r.edx) == 6 &&
                    found == leaf && subleaf == 0) {
                        *ret = r;
                        return true;
                }
        }
        return false;
}

/* A leaf beyond the greatest answers with the registers of another one (Intel SDM, CPUID). */
static bool cpu_read_id(const char *root, uint32_t leaf, Registers *ret)
{
        Registers most;

        if (!*root)
                return cpuid_of_machine(leaf, ret); /* which knows the greatest leaf */
        return cpuid_of_file(root, LEAF_EXTENDED_MAX, &most) && most.eax >= leaf &&
               cpuid_of_file(root, leaf, ret);
}

static bool has_word(const char *words, const char *word)
{
        size_t length = strlen(word);

        for (const char *p = strstr(words, word); p; p = strstr(p + length, word))
                if ((p == words || p[-1] == ' ') && (p[length] == ' ' || p[length] == 0))
                        return true;
        return false;
}

/* The value of the first line "KEY<tab>: VALUE", cut out of `text`; NULL if there is none. */
static char *cpuinfo_value(const char *text, const char *key)
{
        size_t length = strlen(key);

        for (const char *line = text; line && *line; line = strchr(line, '\n')) {
                const char *p;

                line += *line == '\n';
                if (strncmp(line, key, length) != 0)
                        continue;
                p = line + length + strspn(line + length, " \t");
                if (*p != ':')
                        continue;
                p += 1 + strspn(p + 1, " \t");
                return strndup(p, strcspn(p, "\n"));
        }
        return NULL;
}

/* KVM's guests have the CPU's own number, from which the kernel takes bits off for encryption. */
static uint32_t find_address_bits(const char *root, const char *cpuinfo)
{
        _cleanup_free_ char *sizes = cpuinfo_value(cpuinfo, "address sizes");
        unsigned bits;
        Registers r;

        if (cpu_read_id(root, LEAF_ADDRESS_SIZES, &r))
                return r.eax & EAX_ADDRESS_BITS;
        return sizes && sscanf(sizes, "%3u bits physical", &bits) == 1 && bits <= 64 ? bits : 0;
}

int host_probe_cpu(const char *root, HostFacts *facts)
{
        _cleanup_free_ char *text = host_read_file(root, "/proc/cpuinfo"), *flags = NULL;
        Registers r;

        facts->cpu_vendor = cpuinfo_value(text, "vendor_id") ?: strdup("unknown");
        flags = cpuinfo_value(text, "flags") ?: strdup("");
        if (!facts->cpu_vendor || !flags)
                return -ENOMEM;
        facts->has_virtualization = has_word(flags, "vmx") || has_word(flags, "svm");
        facts->in_vm = has_word(flags, "hypervisor");
        facts->kernel_sev_snp = has_word(flags, "sev_snp");
        facts->kernel_tdx = has_word(flags, "tdx_host_platform");
        facts->address_bits = find_address_bits(root, text);

        if (cpu_read_id(root, LEAF_MEMORY_ENCRYPTION, &r) && (r.eax & EAX_SEV)) {
                facts->cpu_sev = true;
                facts->cpu_sev_es = r.eax & EAX_SEV_ES;
                facts->cpu_sev_snp = r.eax & EAX_SEV_SNP;
                facts->cbitpos = r.ebx & EBX_CBITPOS;
                facts->sev_guests = r.ecx;
                facts->sev_asid_min = r.edx;
        }
        return 0;
}
