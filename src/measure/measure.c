/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/measure.h"

#include <string.h>

#include "base/text.h"
#include "measure/bytes.h"
#include "measure/igvm_code.h"
#include "measure/igvm_id_block.h"
#include "measure/snp_igvm.h"
#include "measure/snp_ovmf.h"
#include "measure/tdx.h"
#include "measure/tpm.h"

/* What a method takes besides kernel, initramfs and command line, and the platform of an IGVM file
 * that it measures. */
static const struct {
        const char *name;
        bool firmware, igvm;
        ProfileGuest guest;
        IgvmPlatformType igvm_platform;
} methods[_MEASURE_METHOD_MAX] = {
        [MEASURE_NONE] = {"none", true, true, PROFILE_GUEST_PLAIN, 0},
        [MEASURE_SEV_SNP_IGVM] = {"sev-snp-igvm", false, true, PROFILE_GUEST_SEV,
                                  IGVM_PLATFORM_SEV_SNP},
        [MEASURE_SEV_SNP_OVMF] = {"sev-snp-ovmf", true, false, PROFILE_GUEST_SEV, 0},
        [MEASURE_TDX] = {"tdx", true, false, PROFILE_GUEST_TDX, 0},
        [MEASURE_VTPM] = {"vtpm", true, true, PROFILE_GUEST_PLAIN, IGVM_PLATFORM_NATIVE},
};

const char *measure_method_name(MeasureMethod method)
{
        return methods[method].name;
}

MeasureMethod measure_method_find(const char *name)
{
        MeasureMethod method = 0;

        while (method < _MEASURE_METHOD_MAX && strcmp(methods[method].name, name) != 0)
                method++;
        return method;
}

static const char no_vcpus[] = "nothing that this platform measures depends on it";

/* A measuring in progress. */
typedef struct Run {
        const MeasureInputs *inputs;
        Profile profile;
        EfiBoot boot;
        bool has_boot;
        bool service;             /* the IGVM file is of a service VM, which boots no kernel */
        Measurement *measurement; /* owned */
        CvmError *error;
} Run;

static void measure_run_done(Run *run)
{
        efi_boot_done(&run->boot);
        run->measurement = measurement_free(run->measurement);
}

static int measure_fail(Run *run, int r)
{
        return cvm_error_is_set(run->error) ? r : cvm_error_system(run->error, r, "measure");
}

/* Small: hashed here. */
static int add_acpi(Run *run)
{
        const AcpiFiles *acpi = &run->inputs->acpi;
        const struct {
                const char *name;
                Bytes bytes;
        } files[] = {{"acpi/table-loader", acpi->loader},
                     {"acpi/rsdp", acpi->rsdp},
                     {"acpi/tables", acpi->tables}};
        int r = 0;

        for (size_t i = 0; r == 0 && acpi->loader.data && i < ARRAY_SIZE(files); i++) {
                HashPairDigest digests;

                r = hash_pair_bytes(files[i].bytes.data, files[i].bytes.size, &digests);
                if (r == 0)
                        r = measurement_add_file(run->measurement, files[i].name,
                                                 files[i].bytes.size, &digests);
        }
        return r;
}

static int measure_add_inputs(Run *run)
{
        const MeasureInputs *in = run->inputs;
        const struct {
                const char *name;
                const MeasureFile *file;
        } files[] = {{"igvm", &in->igvm},
                     {"firmware", &in->firmware},
                     {"kernel", &in->kernel},
                     {"initramfs", &in->initrd}};
        char size[24];
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++)
                if (files[i].file->bytes.data)
                        r = measurement_add_file(run->measurement, files[i].name,
                                                 files[i].file->bytes.size,
                                                 &files[i].file->digests);
        if (r == 0)
                r = add_acpi(run);
        if (r == 0 && in->image)
                r = measurement_add_text(run->measurement, "image", "%s", in->image);
        if (r == 0 && in->cmdline)
                r = measurement_add_text(run->measurement, "cmdline", "%s", in->cmdline);
        if (r == 0 && in->cpus)
                r = measurement_add_text(run->measurement, "cpus", "%u", in->cpus);
        if (r == 0 && in->memory)
                r = measurement_add_text(run->measurement, "memory", "%s",
                                         text_format_size(in->memory, size));
        return r < 0 ? measure_fail(run, r) : 0;
}

static int prepare_boot(Run *run)
{
        const MeasureInputs *in = run->inputs;
        KernelSetup setup = {
                .kernel = in->kernel.bytes,
                .name = "kernel",
                .has_initrd = in->initrd.bytes.data,
                .initrd_size = in->initrd.bytes.size,
                .cmdline = in->cmdline,
                .memory = in->memory,
        };
        int r;

        if (!in->kernel.bytes.data)
                return 0;
        r = efi_boot_init(&setup, setup.has_initrd ? &in->initrd.digests : NULL, &run->profile,
                          &run->boot, run->error);
        run->has_boot = r == 0;
        return r;
}

static const EfiBoot *run_boot(const Run *run)
{
        return run->has_boot ? &run->boot : NULL;
}

static int read_model(Run *run, uint32_t *ret_signature)
{
        const char *model = run->inputs->cpu_model ?: VMSA_CPU_MODEL_DEFAULT;
        int r;

        if (vmsa_cpu_signature(model, ret_signature) < 0)
                return cvm_error_invalid_spec(
                        run->error, "cpu-model",
                        "unknown model '%s'; known are %s, or a CPUID signature such as 0x800f12",
                        model, vmsa_cpu_models());
        r = measurement_add_text(run->measurement, "cpuModel", "%s", model);
        return r < 0 ? measure_fail(run, r) : 0;
}

static int note_features(Run *run, uint64_t features)
{
        return measurement_add_text(run->measurement, "guestFeatures", "0x%llx",
                                    (unsigned long long)features);
}

static int read_features(Run *run, uint64_t *ret)
{
        uint64_t features = run->inputs->features ?: VMSA_FEATURE_SNP;
        int r;

        if (!(features & VMSA_FEATURE_SNP))
                return cvm_error_invalid_spec(run->error, "guest-features",
                                              "bit 0 (SEV-SNP) must be set in an SEV-SNP guest");
        *ret = features;
        r = note_features(run, features);
        return r < 0 ? measure_fail(run, r) : 0;
}

static int measure_snp_ovmf(Run *run)
{
        const MeasureInputs *in = run->inputs;
        SnpOvmf input = {.firmware = in->firmware.bytes, .name = "firmware", .cpus = in->cpus};
        const char *missing = NULL;
        OvmfHashes hashes;
        Register *reg;
        int r;

        r = read_model(run, &input.cpu_signature);
        if (r == 0)
                r = read_features(run, &input.features);
        if (r < 0)
                return r;
        reg = measurement_add(run->measurement, "LaunchDigest", HASH_SHA384);
        if (!reg)
                return measure_fail(run, -ENOMEM);
        if (!in->firmware.bytes.data)
                missing = "no firmware given (--firmware)";
        else if (!in->cpus)
                missing = "the number of vCPUs is not given (--cpus)";
        else if (in->kernel.bytes.data && !in->cmdline)
                missing = "a kernel is given without a command line (--cmdline)";
        if (missing) {
                r = register_no_value(reg, MEASUREMENT_NOT_GIVEN, "%s", missing);
                return r < 0 ? measure_fail(run, r) : 0;
        }
        if (in->kernel.bytes.data) {
                r = ovmf_hash_kernel(&in->kernel.digests,
                                     in->initrd.bytes.data ? &in->initrd.digests : NULL,
                                     in->cmdline, &hashes);
                if (r < 0)
                        return measure_fail(run, r);
                input.hashes = &hashes;
        }
        return snp_ovmf_measure(&input, reg, run->error);
}

/* The hardware refuses a guest whose ID block is for another launch digest, after all
 * was loaded. */
static int measure_check_id_block(Run *run, const Igvm *igvm, Register *first)
{
        _cleanup_free_ char *hex = NULL, *before = first->reason;
        HashDigest other;
        int r = igvm_id_block_differs(igvm, "igvm", run->measurement, &other, run->error);

        first->reason = NULL;
        if (r <= 0) {
                first->reason = TAKE_PTR(before);
                return r;
        }
        hex = hash_hex(&other);
        if (!hex)
                return measure_fail(run, -ENOMEM);
        if (run->inputs->launching)
                return cvm_error_artifact(
                        run->error, "igvm",
                        "its ID block (header 0x30b) is for the launch digest %s, but the file's "
                        "launch digest differs, so the hardware would refuse it; sign the file "
                        "again (cvmctl measure --format igvm)",
                        hex);
        r = register_remark(first,
                            "%s%sthe file's ID block is for %s, so the hardware refuses the launch",
                            before ?: "", before ? "; " : "", hex);
        return r < 0 ? measure_fail(run, r) : 0;
}

/* A launch refuses the same. */
static int measure_check_service(Run *run, const Igvm *igvm)
{
        const IgvmPlatform *platform = igvm_find_platform(igvm, IGVM_PLATFORM_SEV_SNP);

        run->service = platform && igvm_is_service(platform);
        if (!run->service || !run->inputs->kernel.bytes.data)
                return 0;
        return cvm_error_invalid_spec(run->error, "kernel",
                                      "the IGVM file is for a service VM (highest VTL 0), which "
                                      "boots no kernel: omit it");
}

static int measure_igvm_file(Run *run, uint32_t signature)
{
        Register *reg, *every = NULL;
        uint64_t features;
        Igvm igvm;
        int r;

        r = igvm_parse(run->inputs->igvm.bytes, "igvm", &igvm, run->error);
        if (r == 0)
                r = measure_check_service(run, &igvm);
        if (r < 0)
                return r;
        reg = measurement_add(run->measurement, "LaunchDigest", HASH_SHA384);
        if (reg && run->inputs->cpus > 1) {
                every = measurement_add(run->measurement, "LaunchDigestAllVcpus", HASH_SHA384);
                /* adding may have moved the first */
                reg = every ? every - 1 : NULL;
        }
        if (!reg)
                return measure_fail(run, -ENOMEM);
        r = snp_igvm_measure(&(SnpIgvm){.igvm = &igvm,
                                        .name = "igvm",
                                        .cpus = run->inputs->cpus,
                                        .cpu_signature = signature},
                             reg, every, &features, run->error);
        if (r < 0)
                return r;
        r = note_features(run, features);
        return r < 0 ? measure_fail(run, r) : measure_check_id_block(run, &igvm, reg);
}

static int measure_snp_igvm(Run *run)
{
        uint32_t signature;
        Register *reg;
        int r;

        r = read_model(run, &signature);
        if (r < 0)
                return r;
        if (run->inputs->igvm.bytes.data) {
                r = measure_igvm_file(run, signature);
                if (r < 0)
                        return r;
        } else {
                reg = measurement_add(run->measurement, "LaunchDigest", HASH_SHA384);
                r = reg ? register_no_value(reg, MEASUREMENT_NOT_GIVEN,
                                            "no IGVM file given (--igvm)")
                        : -ENOMEM;
                if (r < 0)
                        return measure_fail(run, r);
        }
        r = run->service ? 0 : tpm_measure(run_boot(run), run->measurement);
        return r < 0 ? measure_fail(run, r) : 0;
}

/* MRTD and RTMR0 without firmware. */
static int measure_no_firmware(Run *run)
{
        static const char *const names[] = {"MRTD", "RTMR0"};
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
                Register *reg = measurement_add(run->measurement, names[i], HASH_SHA384);

                r = reg ? register_no_value(reg, MEASUREMENT_NOT_GIVEN,
                                            "no firmware given (--firmware)")
                        : -ENOMEM;
        }
        return r;
}

static int measure_rtmr0(Run *run, const Tdvf *tdvf)
{
        const MeasureInputs *in = run->inputs;
        Register *reg = measurement_add(run->measurement, "RTMR0", HASH_SHA384);

        if (!reg)
                return -ENOMEM;
        if (!in->acpi.loader.data)
                return register_no_value(reg, MEASUREMENT_NOT_PREDICTABLE,
                                         "it depends on the ACPI tables that QEMU generates from "
                                         "all devices: give them (--acpi)");
        if (!in->memory)
                return register_no_value(reg, MEASUREMENT_NOT_GIVEN,
                                         "it depends on the memory size: give it (--memory)");
        return rtmr0_measure(tdvf, &run->profile, &in->acpi, in->memory, reg);
}

static int measure_firmware(Run *run)
{
        Register *reg;
        Tdvf tdvf;
        int r;

        r = tdvf_parse(run->inputs->firmware.bytes, "firmware", &tdvf, run->error);
        if (r < 0)
                return r;
        reg = measurement_add(run->measurement, "MRTD", HASH_SHA384);
        r = reg ? tdvf_measure(&tdvf, run->profile.mrtd.value, reg) : -ENOMEM;
        return r < 0 ? r : measure_rtmr0(run, &tdvf);
}

static int measure_tdx(Run *run)
{
        int r = run->inputs->firmware.bytes.data ? measure_firmware(run) : measure_no_firmware(run);

        if (r == 0)
                r = tdx_measure_boot(run_boot(run), run->measurement);
        return r < 0 ? measure_fail(run, r) : 0;
}

/* No PCR that is predicted depends on the file's pages, but a file that cannot boot has none. */
static int measure_check_native(const Run *run)
{
        Bytes file = run->inputs->igvm.bytes;
        Igvm igvm;
        int r;

        if (!file.data)
                return 0;
        r = igvm_parse(file, "igvm", &igvm, run->error);
        if (r < 0 || igvm_find_platform(&igvm, IGVM_PLATFORM_NATIVE))
                return r;
        return cvm_error_artifact(run->error, "igvm",
                                  "an IGVM file that is not for the native platform");
}

static int measure_vtpm(Run *run)
{
        int r = measure_check_native(run);

        if (r < 0)
                return r;
        r = tpm_measure(run_boot(run), run->measurement);
        return r < 0 ? measure_fail(run, r) : 0;
}

static bool measures_vcpus(MeasureMethod method)
{
        return method == MEASURE_SEV_SNP_IGVM || method == MEASURE_SEV_SNP_OVMF;
}

static int check_inputs(const MeasureInputs *in, CvmError *error)
{
        if (in->method == MEASURE_NONE)
                return cvm_error_invalid_spec(error, "platform",
                                              "this platform does not measure anything of a CVM");
        if (in->igvm.bytes.data && !methods[in->method].igvm)
                return cvm_error_invalid_spec(error, "igvm",
                                              "this platform does not boot from such a file");
        if (in->firmware.bytes.data && (!methods[in->method].firmware || in->igvm.bytes.data))
                return cvm_error_invalid_spec(error, "firmware",
                                              "this platform's firmware is within the IGVM file");
        if (in->acpi.loader.data && in->method != MEASURE_TDX)
                return cvm_error_invalid_spec(error, "acpi", "only RTMR0 of a TD depends on it");
        if (in->cpu_model && !measures_vcpus(in->method))
                return cvm_error_invalid_spec(error, "cpu-model", "%s", no_vcpus);
        if (in->features && !measures_vcpus(in->method))
                return cvm_error_invalid_spec(error, "guest-features", "%s", no_vcpus);
        if (in->features && in->method == MEASURE_SEV_SNP_IGVM)
                return cvm_error_invalid_spec(
                        error, "guest-features",
                        "SEV_FEATURES come from the IGVM file's VP context: omit this option");
        if (!in->kernel.bytes.data && in->initrd.bytes.data)
                return cvm_error_invalid_spec(error, "initramfs", "has no effect without a kernel");
        if (!in->kernel.bytes.data && in->cmdline)
                return cvm_error_invalid_spec(error, "cmdline", "has no effect without a kernel");
        return in->cmdline ? efi_boot_check_cmdline(in->cmdline, error) : 0;
}

bool measure_needs_code(MeasureMethod method, bool has_kernel, bool has_acpi)
{
        return method != MEASURE_SEV_SNP_OVMF && (has_kernel || has_acpi);
}

int measure_read_code(MeasureMethod method, Bytes file, bool igvm, FirmwareCode *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const IgvmPlatform *platform;
        Igvm parsed;
        int r;

        if (igvm && igvm_parse(file, "igvm", &parsed, &error) < 0)
                return -ENOENT; /* it is refused when it is measured */
        platform = igvm ? igvm_find_platform(&parsed, methods[method].igvm_platform) : NULL;
        if (igvm && !platform)
                return -ENOENT;
        r = igvm ? igvm_read_code(&parsed, platform->mask, ret) : firmware_read_code(file, ret);
        return r == -EBADMSG ? -ENOENT : r;
}

static int read_code(Run *run)
{
        const MeasureFile *firmware = &run->inputs->firmware, *igvm = &run->inputs->igvm;
        const MeasureFile *file = firmware->bytes.data ? firmware : igvm;
        FirmwareCode code;
        int r;

        if (!file->bytes.data)
                return 0;
        if (file->has_code) {
                profile_take_code(&run->profile, &file->code);
                return 0;
        }
        r = measure_read_code(run->inputs->method, file->bytes, file == igvm, &code);
        if (r == 0)
                profile_take_code(&run->profile, &code);
        return r == -ENOENT ? 0 : r;
}

/* PCRs and RTMRs depend on a profile; a launch digest does not. */
static int measure_read_profile(Run *run)
{
        int r;

        run->profile = run->inputs->profile;
        if (run->inputs->method == MEASURE_SEV_SNP_OVMF)
                return 0;
        if (measure_needs_code(run->inputs->method, run->inputs->kernel.bytes.data,
                               run->inputs->acpi.loader.data)) {
                r = read_code(run);
                if (r < 0)
                        return measure_fail(run, r);
        }
        if (run->inputs->kernel.bytes.data) {
                KernelStub stub = kernel_stub_read(run->inputs->kernel.bytes);

                profile_take_stub(&run->profile, &stub, methods[run->inputs->method].guest);
        }
        profile_conclude(&run->profile, methods[run->inputs->method].guest);
        run->measurement->profile =
                profile_to_json(&run->profile, methods[run->inputs->method].guest);
        return run->measurement->profile ? 0 : measure_fail(run, -ENOMEM);
}

int measure_run(const MeasureInputs *inputs, Measurement **ret, CvmError *error)
{
        static int (*const run_method[])(Run * run) = {
                [MEASURE_SEV_SNP_IGVM] = measure_snp_igvm,
                [MEASURE_SEV_SNP_OVMF] = measure_snp_ovmf,
                [MEASURE_TDX] = measure_tdx,
                [MEASURE_VTPM] = measure_vtpm,
        };
        _cleanup_(measure_run_done) Run run = {.inputs = inputs, .error = error};
        int r;

        r = check_inputs(inputs, error);
        if (r < 0)
                return r;
        run.measurement = measurement_new();
        if (!run.measurement)
                return measure_fail(&run, -ENOMEM);
        r = measure_add_inputs(&run);
        if (r == 0)
                r = measure_read_profile(&run);
        if (r == 0 && inputs->method != MEASURE_SEV_SNP_OVMF)
                r = prepare_boot(&run);
        if (r == 0)
                r = run_method[inputs->method](&run);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(run.measurement);
        return 0;
}
