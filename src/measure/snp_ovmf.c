/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/snp_ovmf.h"

#define FOUR_GIB 0x100000000ull

static int note_pages(Register *reg, const SnpDigest *digest, const char *what, SnpPageType type,
                      uint64_t gpa, uint64_t size)
{
        return register_made_from(
                reg, INPUT_FIRMWARE,
                register_note(reg, &digest->value, "%s: %llu %s page%s at 0x%llx", what,
                              (unsigned long long)(size / SNP_PAGE_SIZE), snp_page_type_name(type),
                              size == SNP_PAGE_SIZE ? "" : "s", (unsigned long long)gpa));
}

static const char *section_name(OvmfSectionType type)
{
        switch (type) {
        case OVMF_SECTION_SEC_MEMORY:
                return "SEC memory";
        case OVMF_SECTION_SECRETS:
                return "secrets";
        case OVMF_SECTION_CPUID:
                return "CPUID";
        case OVMF_SECTION_SVSM_CAA:
                return "SVSM calling area";
        case OVMF_SECTION_KERNEL_HASHES:
                return "kernel hashes";
        }
        return "section";
}

static SnpPageType page_type(OvmfSectionType type, bool hashes)
{
        switch (type) {
        case OVMF_SECTION_SECRETS:
                return SNP_PAGE_SECRETS;
        case OVMF_SECTION_CPUID:
                return SNP_PAGE_CPUID;
        case OVMF_SECTION_KERNEL_HASHES:
                return hashes ? SNP_PAGE_NORMAL : SNP_PAGE_ZERO;
        default:
                return SNP_PAGE_ZERO;
        }
}

static int add_sections(SnpDigest *digest, const OvmfSev *sev, const uint8_t *hashes_page,
                        Register *reg)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < sev->n_sections; i++) {
                const OvmfSection *section = &sev->sections[i];
                SnpPageType type = page_type(section->type, hashes_page);

                r = snp_digest_add(digest, type, section->gpa,
                                   type == SNP_PAGE_NORMAL ? hashes_page : NULL, section->size);
                if (r == 0)
                        r = note_pages(reg, digest, section_name(section->type), type, section->gpa,
                                       section->size);
                if (type == SNP_PAGE_NORMAL)
                        r = register_made_from(reg, INPUT_KERNEL | INPUT_INITRAMFS | INPUT_CMDLINE,
                                               r);
        }
        return r;
}

static int add_vmsas(SnpDigest *digest, const OvmfSev *sev, const SnpOvmf *input, Register *reg)
{
        const unsigned inputs = INPUT_CPUS | INPUT_CPU_MODEL | INPUT_GUEST_FEATURES;
        uint8_t vmsa[VMSA_SIZE];
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < input->cpus; i++) {
                vmsa_fill(&(VmsaState){.eip = i == 0 ? VMSA_BSP_EIP : sev->reset_eip,
                                       .cpu_signature = input->cpu_signature,
                                       .features = input->features},
                          vmsa);
                r = snp_digest_add(digest, SNP_PAGE_VMSA, VMSA_GPA, vmsa, VMSA_SIZE);
                if (r == 0)
                        r = register_made_from(
                                reg, inputs | (i > 0 ? INPUT_FIRMWARE : 0), /* its reset address */
                                register_note(reg, &digest->value, "VMSA of vCPU %u", i));
        }
        return r;
}

int snp_ovmf_add(SnpDigest *digest, const OvmfSev *sev, const SnpOvmf *input, Register *reg)
{
        uint8_t page[OVMF_PAGE_SIZE];
        int r = 0;

        if (input->hashes)
                r = ovmf_hashes_page(sev->hashes_gpa, input->hashes, page);
        if (r == 0)
                r = add_sections(digest, sev, input->hashes ? page : NULL, reg);
        if (r == 0)
                r = add_vmsas(digest, sev, input, reg);
        if (r == 0)
                reg->value = digest->value;
        return r;
}

static int snp_ovmf_check(const SnpOvmf *input, const OvmfSev *sev, CvmError *error)
{
        if (input->firmware.size % SNP_PAGE_SIZE || input->firmware.size > FOUR_GIB)
                return cvm_error_artifact(error, input->name,
                                          "not a multiple of the page size below 4 GiB");
        if (input->hashes && !ovmf_takes_hashes(sev))
                return cvm_error_artifact(error, input->name,
                                          "has no section for kernel hashes, so a kernel cannot be "
                                          "measured with it (an AmdSev build of OVMF has one)");
        if (input->cpus > 1 && !sev->reset_eip)
                return cvm_error_artifact(
                        error, input->name,
                        "has no AP reset address, so only one vCPU can be measured");
        return 0;
}

static int snp_ovmf_measure_firmware(const SnpOvmf *input, const OvmfSev *sev, SnpDigest *digest,
                                     Register *reg)
{
        uint64_t base = FOUR_GIB - input->firmware.size;
        int r;

        r = snp_digest_add(digest, SNP_PAGE_NORMAL, base, input->firmware.data,
                           input->firmware.size);
        if (r == 0)
                r = note_pages(reg, digest, "firmware", SNP_PAGE_NORMAL, base,
                               input->firmware.size);
        if (r == 0)
                r = snp_ovmf_add(digest, sev, input, reg);
        return r;
}

int snp_ovmf_measure(const SnpOvmf *input, Register *reg, CvmError *error)
{
        _cleanup_(snp_digest_done) SnpDigest digest = {};
        OvmfSev sev;
        int r;

        r = ovmf_parse_sev(input->firmware, input->name, &sev, error);
        if (r < 0)
                return r;
        r = snp_ovmf_check(input, &sev, error);
        if (r < 0)
                return r;
        r = snp_digest_init(&digest);
        if (r == 0)
                r = snp_ovmf_measure_firmware(input, &sev, &digest, reg);
        return r < 0 ? cvm_error_system(error, r, "compute a launch digest") : 0;
}
