/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/snp_igvm.h"

#include "measure/igvm_header.h"
#include "measure/igvm_order.h"
#include "measure/igvm_ranges.h"

/* Pages in a row that are alike make one event. */
typedef struct Run {
        const char *what;
        uint64_t gpa, end;
        size_t n_pages;
} Run;

typedef struct Walk {
        const SnpIgvm *input;
        SnpDigest digest;
        Register *first, *every; /* every NULL: only the first vCPU's VMSA is added */
        Register *reg;           /* of them the one that gets events */
        Run run;
        size_t n_vmsas; /* that have been added */
        CvmError *error;
} Walk;

static int snp_igvm_flush(Walk *walk)
{
        Run *run = &walk->run;
        int r = 0;

        if (run->n_pages)
                r = register_made_from(walk->reg, INPUT_IGVM,
                                       register_note(walk->reg, &walk->digest.value,
                                                     "%s: %zu page%s at 0x%llx", run->what,
                                                     run->n_pages, run->n_pages == 1 ? "" : "s",
                                                     (unsigned long long)run->gpa));
        *run = (Run){};
        return r;
}

static int snp_igvm_add(Walk *walk, const char *what, SnpPageType type, uint64_t gpa,
                        const uint8_t *data, uint64_t size)
{
        Run *run = &walk->run;
        int r = 0;

        if (run->what != what || run->end != gpa)
                r = snp_igvm_flush(walk);
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
                r = snp_igvm_add(walk, "zeros", SNP_PAGE_NORMAL, gpa + at, zeros, SNP_PAGE_SIZE);
        return r;
}

static int snp_igvm_add_page(Walk *walk, const IgvmHeader *header)
{
        IgvmPage page = igvm_page(walk->input->igvm, header);

        if (page.shared)
                return igvm_header_refuse(header, walk->input->name, walk->error,
                                          "a shared page, which SEV-SNP cannot measure");
        switch (page.data_type) {
        case IGVM_DATA_SECRETS:
                return snp_igvm_add(walk, "secrets", SNP_PAGE_SECRETS, page.gpa, NULL, page.size);
        case IGVM_DATA_CPUID:
        case IGVM_DATA_CPUID_XF:
                return snp_igvm_add(walk, "CPUID", SNP_PAGE_CPUID, page.gpa, NULL, page.size);
        }
        if (page.unmeasured)
                return snp_igvm_add(walk, "unmeasured", SNP_PAGE_UNMEASURED, page.gpa, NULL,
                                    page.size);
        if (!page.data.data)
                return add_zeros(walk, page.gpa, page.size);
        return snp_igvm_add(walk, "data", SNP_PAGE_NORMAL, page.gpa, page.data.data, page.size);
}

/* With the first vCPU's VMSA the one digest is complete; the other one continues from it. */
static int finish_first(Walk *walk)
{
        walk->first->value = walk->digest.value;
        if (!walk->every)
                return 0;
        walk->reg = walk->every;
        return register_made_from(walk->every, INPUT_IGVM,
                                  register_note(walk->every, &walk->digest.value,
                                                "everything that the other launch digest covers"));
}

static int add_vp_context(Walk *walk, const IgvmHeader *header)
{
        IgvmVpContext context = igvm_vp_context(walk->input->igvm, header);
        int r;

        if (walk->n_vmsas > 0 && !walk->every)
                return 0;
        r = snp_igvm_flush(walk);
        if (r == 0)
                r = snp_digest_add(&walk->digest, SNP_PAGE_VMSA, VMSA_GPA, context.data.data,
                                   VMSA_SIZE);
        if (r == 0)
                r = register_made_from(walk->reg, INPUT_IGVM,
                                       register_note(walk->reg, &walk->digest.value,
                                                     "VMSA of vCPU %zu, from the file",
                                                     walk->n_vmsas));
        if (r == 0 && walk->n_vmsas++ == 0)
                r = finish_first(walk);
        return r;
}

static int snp_igvm_add_header(void *userdata, const IgvmHeader *header)
{
        Walk *walk = userdata;
        IgvmInsert insert;

        switch (header->type) {
        case IGVM_PAGE_DATA:
                return snp_igvm_add_page(walk, header);
        case IGVM_PARAMETER_INSERT:
                insert = igvm_insert(walk->input->igvm, header);
                return snp_igvm_add(walk, "parameters", SNP_PAGE_UNMEASURED, insert.gpa, NULL,
                                    insert.size);
        default:
                return add_vp_context(walk, header);
        }
}

/* SEV_FEATURES are those of the file's first VMSA: KVM gives them to every vCPU. */
static int add_resets(Walk *walk, uint64_t features)
{
        uint8_t vmsa[VMSA_SIZE];
        int r = 0;

        vmsa_fill(&(VmsaState){.eip = VMSA_BSP_EIP,
                               .cpu_signature = walk->input->cpu_signature,
                               .features = features},
                  vmsa);
        for (size_t i = walk->n_vmsas; r == 0 && i < walk->input->cpus; i++) {
                r = snp_digest_add(&walk->digest, SNP_PAGE_VMSA, VMSA_GPA, vmsa, VMSA_SIZE);
                if (r == 0)
                        r = register_made_from(walk->reg, INPUT_IGVM | INPUT_CPUS | INPUT_CPU_MODEL,
                                               register_note(walk->reg, &walk->digest.value,
                                                             "VMSA of vCPU %zu, as at reset", i));
        }
        if (r == 0)
                walk->every->value = walk->digest.value;
        return r;
}

static int snp_igvm_check(const SnpIgvm *input, const IgvmPlatform **ret_platform,
                          IgvmVmsas *ret_vmsas, CvmError *error)
{
        const IgvmPlatform *platform = igvm_find_platform(input->igvm, IGVM_PLATFORM_SEV_SNP);
        int r;

        *ret_platform = platform;
        if (!platform)
                return cvm_error_artifact(error, input->name,
                                          "an IGVM file that is not for SEV-SNP");
        r = igvm_check_overlap(input->igvm, input->name, platform->mask, error);
        if (r == 0)
                r = igvm_check_vps(input->igvm, input->name, platform, input->cpus, ret_vmsas,
                                   error);
        if (r == 0 && !ret_vmsas->n)
                r = cvm_error_artifact(error, input->name, "has no VP context for SEV-SNP");
        return r;
}

/* igvmmeasure's --check-kvm wants 0x30 or 0x31; 0x10 is the value at reset. */
static bool is_kept_cr0(uint64_t cr0)
{
        return cr0 == 0x10 || cr0 == 0x30 || cr0 == 0x31;
}

static int remark(Register *reg, const char *host, uint64_t cr0)
{
        if (is_kept_cr0(cr0))
                return host ? register_remark(reg, "%s", host) : 0;
        return register_remark(reg,
                               "%s%sprovided that KVM keeps CR0 of the VP context, 0x%llx: it is "
                               "known to keep 0x30 and 0x31",
                               host ?: "", host ? "; " : "", (unsigned long long)cr0);
}

/* On which hosts this is the digest of the first vCPU's VMSA alone; NULL: on each. */
static const char *hosts_of_first(uint32_t cpus, size_t n_vmsas)
{
        if (cpus == 1)
                return NULL;
        if (cpus)
                return "on a host whose KVM supports SVSM and measures only the first vCPU; on "
                       "other hosts the launch digest is LaunchDigestAllVcpus";
        return n_vmsas > 1 ? "on a host whose KVM supports SVSM and measures only the first vCPU; "
                             "on other hosts it depends on the number of vCPUs (--cpus)"
                           : "for one vCPU; with more (--cpus) it depends on the host";
}

static int remark_hosts(const Walk *walk, const IgvmVmsas *vmsas)
{
        int r = remark(walk->first, hosts_of_first(walk->input->cpus, vmsas->n), vmsas->cr0);

        if (r == 0 && walk->every)
                r = remark(walk->every, "on a host whose KVM measures every vCPU (upstream)",
                           vmsas->cr0);
        return r;
}

int snp_igvm_measure(const SnpIgvm *input, Register *first, Register *every, uint64_t *ret_features,
                     CvmError *error)
{
        Walk walk = {.input = input, .first = first, .every = every, .reg = first, .error = error};
        const IgvmPlatform *platform = NULL;
        IgvmVmsas vmsas = {};
        int r;

        r = snp_igvm_check(input, &platform, &vmsas, error);
        if (r < 0)
                return r;
        r = snp_digest_init(&walk.digest);
        if (r == 0)
                r = igvm_visit_in_order(input->igvm, platform->mask, snp_igvm_add_header, &walk);
        if (r == 0 && every)
                r = add_resets(&walk, vmsas.features);
        if (r == 0)
                r = remark_hosts(&walk, &vmsas);
        snp_digest_done(&walk.digest);
        if (r < 0 && !cvm_error_is_set(error))
                return cvm_error_system(error, r, "compute a launch digest");
        if (r == 0)
                *ret_features = vmsas.features;
        return r;
}
