/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_vp.h"

#include <stdio.h>
#include <string.h>

#include "measure/bytes.h"
#include "measure/igvm_header.h"
#include "measure/vmsa.h"

#define NATIVE_CONTEXT_SIZE 232 /* IgvmNativeVpContextX64 */
#define VSM_REGISTER_SIZE 32    /* VbsVpContextRegister: u8 VTL, u32 name, 11 zeros, u128 value */

#define VMSA_END 0x670 /* sizeof(struct sev_es_save_area) */
#define VMSA_LDTR_BASE 0x78
#define VMSA_TR_BASE 0x98
#define VMSA_CR0 0x158
#define VMSA_FEATURES 0x3b0

/* What QEMU passes on of a VMSA: {from, behind}, in order. */
static const uint16_t passed_on[][2] = {
        {0x000, 0x0a0}, /* es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr */
        {0x0d0, 0x0d8}, /* efer */
        {0x148, 0x180}, /* cr4, cr3, cr0, dr7, dr6, rflags, rip */
        {0x1d8, 0x1e0}, /* rsp */
        {0x1f8, 0x200}, /* rax */
        {0x268, 0x270}, /* g_pat */
        {0x308, 0x320}, /* rcx, rdx, rbx */
        {0x328, 0x380}, /* rbp, rsi, rdi, r8 to r15 */
        {0x3b0, 0x3b8}, /* sev_features */
        {0x3e8, 0x3f0}, /* xcr0 */
        {0x408, 0x40c}, /* mxcsr */
        {0x410, 0x412}, /* x87_fcw */
};

/* The registers that the library knows (HvX64RegisterName): {first, last}. */
static const uint32_t vsm_registers[][2] = {
        {0x20004, 0x20006}, {0x20008, 0x2000c}, {0x20010, 0x20011}, {0x40000, 0x40000},
        {0x40002, 0x40003}, {0x60000, 0x60005}, {0x60007, 0x60007}, {0x70000, 0x70001},
        {0x80001, 0x80001}, {0x80004, 0x80004}, {0x8000e, 0x8000e}, {0x80010, 0x80014},
        {0x80040, 0x80044}, {0x80070, 0x80071}, {0x80077, 0x8007a},
};

static bool is_vsm_register(uint32_t name)
{
        for (size_t i = 0; i < ARRAY_SIZE(vsm_registers); i++)
                if (name >= vsm_registers[i][0] && name <= vsm_registers[i][1])
                        return true;
        return false;
}

static const char *check_vsm(const Igvm *igvm, const IgvmHeader *header)
{
        uint32_t offset = le32_get(header->body.data + 12), n;
        const uint8_t *p;

        if (!igvm_has_data(igvm, offset, 4))
                return "its data lies outside the file's data";
        p = igvm->file.data + offset;
        n = le32_get(p);
        if (!igvm_has_data(igvm, offset, 4 + (uint64_t)n * VSM_REGISTER_SIZE))
                return "its data lies outside the file's data";
        if (n == 0 || le16_get(header->body.data + 16) != 0)
                return "it has no registers, or is not for vCPU 0";
        for (uint32_t i = 0; i < n; i++) {
                const uint8_t *entry = p + 4 + (size_t)i * VSM_REGISTER_SIZE;

                if (entry[0] > 2 || entry[0] != p[4])
                        return "its registers are not all of the same VTL (0, 1 or 2)";
                if (!is_vsm_register(le32_get(entry + 1)))
                        return "it has a register that a VP context cannot have";
        }
        return NULL;
}

static const char *igvm_vp_check_native(const IgvmVpContext *context)
{
        for (size_t i = NATIVE_CONTEXT_SIZE; i < context->data.size; i++)
                if (context->data.data[i])
                        return "its data continues after the registers";
        return NULL;
}

/* Of the very mask that the header has; NULL: none. */
static const IgvmPlatform *igvm_vp_find_platform(const Igvm *igvm, const IgvmHeader *header)
{
        uint32_t mask = le32_get(header->body.data + 8);

        for (size_t i = 0; i < igvm->n_platforms; i++)
                if (igvm->platforms[i].mask == mask)
                        return &igvm->platforms[i];
        return NULL;
}

const char *igvm_vp_check(const Igvm *igvm, const IgvmHeader *header)
{
        const IgvmPlatform *platform = igvm_vp_find_platform(igvm, header);
        IgvmVpContext context;

        if (!platform)
                return "its compatibility mask does not match exactly one platform of the file";
        if (platform->type == IGVM_PLATFORM_TDX)
                return "its platform, tdx, has no VP contexts";
        if (platform->type == IGVM_PLATFORM_VSM)
                return check_vsm(igvm, header);
        if (!igvm_has_data(igvm, le32_get(header->body.data + 12), IGVM_PAGE_SIZE))
                return "its data is not one page within the file's data";
        context = igvm_vp_context(igvm, header);
        if (platform->type == IGVM_PLATFORM_NATIVE || platform->type == IGVM_PLATFORM_SEV)
                return igvm_vp_check_native(&context);
        return context.gpa % IGVM_PAGE_SIZE ? "its address is not aligned" : NULL;
}

int igvm_vp_vtl(const Igvm *igvm, const IgvmHeader *header)
{
        const IgvmPlatform *platform = igvm_vp_find_platform(igvm, header);

        return platform && platform->type == IGVM_PLATFORM_VSM
                       ? igvm->file.data[le32_get(header->body.data + 12) + 4]
                       : -1;
}

/* The offset of the first byte that is lost on the way to KVM; VMSA_SIZE: none is. */
static size_t find_lost(const uint8_t *vmsa)
{
        size_t at = 0;

        for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
                for (; at < passed_on[i][0]; at++)
                        if (vmsa[at])
                                return at;
                at = passed_on[i][1];
        }
        while (at < VMSA_SIZE && !vmsa[at])
                at++;
        return at;
}

static int check_vmsa(const IgvmVpContext *context, const IgvmPlatform *platform,
                      const IgvmHeader *header, const char *name, CvmError *error)
{
        const uint8_t *vmsa = context->data.data;
        bool is_snp = platform->type == IGVM_PLATFORM_SEV_SNP;
        size_t lost = find_lost(vmsa);
        char reason[160];

        if (context->gpa != VMSA_GPA) {
                snprintf(reason, sizeof(reason),
                         "its VMSA is at 0x%llx, but KVM expects it at 0x%llx",
                         (unsigned long long)context->gpa, VMSA_GPA);
                return igvm_header_refuse(header, name, error, reason);
        }
        if (lost < VMSA_SIZE) {
                snprintf(reason, sizeof(reason),
                         "its VMSA has a value at 0x%zx, %s, which QEMU does not pass on to KVM",
                         lost, lost < VMSA_END ? "in a field" : "after the last field");
                return igvm_header_refuse(header, name, error, reason);
        }
        if (memcmp(vmsa + VMSA_TR_BASE, vmsa + VMSA_LDTR_BASE, 8) != 0)
                return igvm_header_refuse(header, name, error,
                                          "its VMSA has a TR.base (at 0x98) that differs from its "
                                          "LDTR.base: QEMU gives KVM the latter for both");
        if ((le64_get(vmsa + VMSA_FEATURES) & VMSA_FEATURE_SNP) != (is_snp ? VMSA_FEATURE_SNP : 0))
                return igvm_header_refuse(
                        header, name, error,
                        is_snp ? "SEV_FEATURES (at 0x3b0) of its VMSA lacks SEV-SNP (bit 0)"
                               : "SEV_FEATURES (at 0x3b0) of its VMSA has SEV-SNP (bit 0)");
        return 0;
}

static bool has_vmsas(const IgvmPlatform *platform)
{
        return platform->type == IGVM_PLATFORM_SEV_SNP || platform->type == IGVM_PLATFORM_SEV_ES;
}

static int check_vp(const Igvm *igvm, const IgvmHeader *header, const char *name,
                    const IgvmPlatform *platform, IgvmVmsas *vmsas, CvmError *error)
{
        IgvmVpContext context = igvm_vp_context(igvm, header);
        int r;

        if (!has_vmsas(platform))
                return context.vp_index == 0 || platform->type != IGVM_PLATFORM_NATIVE
                               ? 0
                               : igvm_header_refuse(header, name, error,
                                                    "QEMU uses only that of vCPU 0");
        if (context.vp_index != vmsas->n)
                return igvm_header_refuse(header, name, error,
                                          "the VP contexts are not those of vCPUs 0, 1, … in "
                                          "order");
        r = check_vmsa(&context, platform, header, name, error);
        if (r == 0 && vmsas->n++ == 0) {
                vmsas->features = le64_get(context.data.data + VMSA_FEATURES);
                vmsas->cr0 = le64_get(context.data.data + VMSA_CR0);
        }
        return r;
}

int igvm_check_vps(const Igvm *igvm, const char *name, const IgvmPlatform *platform, uint32_t cpus,
                   IgvmVmsas *ret, CvmError *error)
{
        IgvmVmsas vmsas = {};
        size_t cursor = 0;
        IgvmHeader header;
        int r = 0;

        while (r == 0 && igvm_next(igvm, &cursor, &header))
                if (header.type == IGVM_VP_CONTEXT &&
                    igvm_vp_context(igvm, &header).mask & platform->mask)
                        r = check_vp(igvm, &header, name, platform, &vmsas, error);
        if (r < 0)
                return r;
        if (cpus && vmsas.n > cpus)
                return cvm_error_artifact(error, name,
                                          "has VP contexts of %zu vCPUs, but the CVM has %u: give "
                                          "it at least %zu",
                                          vmsas.n, cpus, vmsas.n);
        *ret = vmsas;
        return 0;
}
