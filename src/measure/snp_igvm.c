/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/snp_igvm.h"

#include "measure/igvm_ranges.h"

/* Pages in a row that are alike make one event. */
typedef struct Run {
        const char *what;
        uint64_t gpa, end;
        size_t n_pages;
} Run;

typedef struct Walk {
        const SnpIgvm *input;
        uint32_t mask;
        SnpDigest digest;
        Register *reg;
        Run run;
        size_t n_vmsas;
        CvmError *error;
} Walk;

static int flush(Walk *walk)
{
        Run *run = &walk->run;
        int r = 0;

        if (run->n_pages)
                r = register_note(walk->reg, &walk->digest.value, "%s: %zu page%s at 0x%llx",
                                  run->what, run->n_pages, run->n_pages == 1 ? "" : "s",
                                  (unsigned long long)run->gpa);
        *run = (Run){};
        return r;
}

static int add(Walk *walk, const char *what, SnpPageType type, uint64_t gpa, const uint8_t *data,
               uint64_t size)
{
        Run *run = &walk->run;
        int r = 0;

        if (run->what != what || run->end != gpa)
                r = flush(walk);
        if (r == 0)
                r = snp_digest_add(&walk->digest, type, gpa, data, size);
        if (r < 0)
                return r;
        if (!run->n_pages)
                *run = (Run){.what = what, .gpa = gpa};
        run->n_pages += size / SNP_PAGE_SIZE;
        run->end = gpa + size;
        return 0;
}

static int add_zeros(Walk *walk, uint64_t gpa, uint64_t size)
{
        static const uint8_t zeros[SNP_PAGE_SIZE];
        int r = 0;

        for (uint64_t at = 0; r == 0 && at < size; at += SNP_PAGE_SIZE)
                r = add(walk, "zeros", SNP_PAGE_NORMAL, gpa + at, zeros, SNP_PAGE_SIZE);
        return r;
}

static int add_page(Walk *walk, const IgvmHeader *header)
{
        IgvmPage page = igvm_page(walk->input->igvm, header);

        if (!(page.mask & walk->mask))
                return 0;
        if (walk->n_vmsas)
                return cvm_error_artifact(walk->error, walk->input->name,
                                          "an IGVM page follows a VP context; KVM measures VP "
                                          "contexts last");
        if (page.shared)
                return cvm_error_artifact(walk->error, walk->input->name,
                                          "has shared pages, which SEV-SNP cannot measure");
        switch (page.data_type) {
        case IGVM_DATA_SECRETS:
                return add(walk, "secrets", SNP_PAGE_SECRETS, page.gpa, NULL, page.size);
        case IGVM_DATA_CPUID:
        case IGVM_DATA_CPUID_XF:
                return add(walk, "CPUID", SNP_PAGE_CPUID, page.gpa, NULL, page.size);
        }
        if (page.unmeasured)
                return add(walk, "unmeasured", SNP_PAGE_UNMEASURED, page.gpa, NULL, page.size);
        if (!page.data.data)
                return add_zeros(walk, page.gpa, page.size);
        return add(walk, "data", SNP_PAGE_NORMAL, page.gpa, page.data.data, page.size);
}

static int add_insert(Walk *walk, const IgvmHeader *header)
{
        IgvmInsert insert = igvm_insert(walk->input->igvm, header);

        if (!(insert.mask & walk->mask))
                return 0;
        if (walk->n_vmsas)
                return cvm_error_artifact(walk->error, walk->input->name,
                                          "an IGVM parameter area follows a VP context; KVM "
                                          "measures VP contexts last");
        return add(walk, "parameters", SNP_PAGE_UNMEASURED, insert.gpa, NULL, insert.size);
}

static int add_vp_context(Walk *walk, const IgvmHeader *header)
{
        IgvmVpContext context = igvm_vp_context(walk->input->igvm, header);
        uint8_t vmsa[VMSA_SIZE] = {};
        int r;

        if (!(context.mask & walk->mask))
                return 0;
        if (context.gpa != VMSA_GPA)
                return cvm_error_artifact(walk->error, walk->input->name,
                                          "its VP context is at 0x%llx; KVM has it at 0x%llx",
                                          (unsigned long long)context.gpa, VMSA_GPA);
        if (context.vp_index != walk->n_vmsas)
                return cvm_error_artifact(walk->error, walk->input->name,
                                          "its VP contexts are not those of vCPUs 0, 1, … in "
                                          "order");
        r = flush(walk);
        if (r < 0)
                return r;
        memcpy(vmsa, context.data.data, context.data.size);
        r = snp_digest_add(&walk->digest, SNP_PAGE_VMSA, VMSA_GPA, vmsa, VMSA_SIZE);
        if (r == 0)
                r = register_note(walk->reg, &walk->digest.value, "VMSA of vCPU %zu, of the file",
                                  walk->n_vmsas);
        walk->n_vmsas++;
        return r;
}

static int add_header(Walk *walk, const IgvmHeader *header)
{
        switch (header->type) {
        case IGVM_PAGE_DATA:
                return add_page(walk, header);
        case IGVM_PARAMETER_INSERT:
                return add_insert(walk, header);
        case IGVM_VP_CONTEXT:
                return add_vp_context(walk, header);
        default:
                if (igvm_type_name(header->type) || header->optional)
                        return 0;
                return cvm_error_artifact(walk->error, walk->input->name,
                                          "an IGVM header of the unknown type 0x%x", header->type);
        }
}

static int walk_file(Walk *walk)
{
        size_t cursor = 0;
        IgvmHeader header;
        int r = 0;

        while (r == 0 && igvm_next(walk->input->igvm, &cursor, &header))
                r = add_header(walk, &header);
        if (r == 0)
                r = flush(walk);
        if (r == 0 && !walk->n_vmsas)
                return cvm_error_artifact(walk->error, walk->input->name,
                                          "has no VP context for SEV-SNP");
        return r;
}

/* SEV_FEATURES of the file's first VMSA: KVM gives them to every vCPU. */
static uint64_t file_features(const Walk *walk)
{
        size_t cursor = 0;
        IgvmHeader header;

        while (igvm_next(walk->input->igvm, &cursor, &header)) {
                IgvmVpContext context;

                if (header.type != IGVM_VP_CONTEXT)
                        continue;
                context = igvm_vp_context(walk->input->igvm, &header);
                if (context.mask & walk->mask)
                        return context.data.size >= 0x3b8 ? le64_get(context.data.data + 0x3b0) : 0;
        }
        return 0;
}

static int add_resets(Walk *walk)
{
        uint8_t vmsa[VMSA_SIZE];
        int r = 0;

        vmsa_fill(&(VmsaState){.eip = VMSA_BSP_EIP,
                               .cpu_signature = walk->input->cpu_signature,
                               .features = file_features(walk)},
                  vmsa);
        for (size_t i = walk->n_vmsas; r == 0 && i < walk->input->cpus; i++) {
                r = snp_digest_add(&walk->digest, SNP_PAGE_VMSA, VMSA_GPA, vmsa, VMSA_SIZE);
                if (r == 0)
                        r = register_note(walk->reg, &walk->digest.value,
                                          "VMSA of vCPU %zu, as at reset", i);
        }
        return r;
}

int snp_igvm_measure(const SnpIgvm *input, Register *first, Register *every, CvmError *error)
{
        const IgvmPlatform *platform = igvm_find_platform(input->igvm, IGVM_PLATFORM_SEV_SNP);
        Walk walk = {.input = input, .reg = first, .error = error};
        int r;

        if (!platform)
                return cvm_error_artifact(error, input->name,
                                          "an IGVM file that is not for SEV-SNP");
        walk.mask = platform->mask;
        r = igvm_check_overlap(input->igvm, input->name, platform->mask, error);
        if (r < 0)
                return r;
        r = snp_digest_init(&walk.digest);
        if (r == 0)
                r = walk_file(&walk);
        if (r == 0)
                first->value = walk.digest.value;
        if (r == 0 && every) {
                walk.reg = every;
                r = register_note(every, &walk.digest.value, "all of the other launch digest");
                if (r == 0)
                        r = add_resets(&walk);
                if (r == 0)
                        every->value = walk.digest.value;
        }
        snp_digest_done(&walk.digest);
        if (r < 0 && !cvm_error_is_set(error))
                return cvm_error_system(error, r, "compute a launch digest");
        return r;
}
