/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/efi_boot.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "measure/bytes.h"

static const char action_boot[] = "Calling EFI Application from Boot Option";
static const char action_exit[] = "Exit Boot Services Invocation";
static const char action_exited[] = "Exit Boot Services Returned with Success";

int efi_boot_check_cmdline(const char *cmdline, CvmError *error)
{
        size_t size = strlen(cmdline);

        if (size > EFI_CMDLINE_MAX)
                return cvm_error_invalid_spec(error, "cmdline", "%zu bytes: longer than %d", size,
                                              EFI_CMDLINE_MAX);
        for (size_t i = 0; i < size; i++)
                if ((unsigned char)cmdline[i] >= 0x80)
                        return cvm_error_invalid_spec(
                                error, "cmdline",
                                "byte %zu is not ASCII, and how the guest measures it is unknown",
                                i);
        return 0;
}

void efi_boot_done(EfiBoot *boot)
{
        free(boot->patched);
        boot->patched = NULL;
}

int efi_boot_init(const KernelSetup *setup, const HashPairDigest *initrd, const Profile *profile,
                  EfiBoot *ret, CvmError *error)
{
        EfiBoot boot = {.setup = *setup, .initrd = initrd, .profile = profile};
        Bytes seen = setup->kernel;
        int r;

        if (profile->kernel.value == PROFILE_KERNEL_PATCHED && setup->memory && setup->cmdline) {
                r = kernel_setup_patch(setup, &boot.patched, error);
                if (r < 0)
                        return r;
                seen.data = boot.patched;
        }
        r = pe_parse(seen, setup->name, &boot.image, error);
        if (r < 0) {
                efi_boot_done(&boot);
                return r;
        }
        *ret = boot;
        return 0;
}

const char *efi_boot_kernel_unknown(const EfiBoot *boot, MeasurementState *ret_state)
{
        if (boot->profile->kernel.value == PROFILE_KERNEL_RAW || boot->patched)
                return NULL;
        *ret_state = MEASUREMENT_NOT_GIVEN;
        if (boot->profile->kernel.value == PROFILE_KERNEL_PATCHED)
                return boot->setup.memory ? "QEMU may change the kernel's header depending on the "
                                            "command line: give it (--cmdline)"
                                          : "QEMU changes the kernel's header depending on the "
                                            "memory size: give it (--memory)";
        *ret_state = MEASUREMENT_NOT_PREDICTABLE;
        return "whether QEMU changes the kernel's header depends on the versions of firmware and "
               "QEMU, which the given files do not show: give a firmware that shows its version "
               "and the QEMU version (--qemu), or the profile (--profile kernel=raw or "
               "kernel=patched)";
}

int efi_boot_extend_kernel(const EfiBoot *boot, Register *reg)
{
        HashDigest digest;
        int r = pe_hash(&boot->image, reg->value.algorithm, &digest);

        if (r < 0)
                return r;
        if (!boot->patched)
                return register_made_from(reg, INPUT_KERNEL,
                                          register_extend(reg, &digest, "kernel"));
        /* the header has the addresses of the others, and their sizes */
        return register_made_from(
                reg, INPUT_KERNEL | INPUT_INITRAMFS | INPUT_CMDLINE | INPUT_MEMORY,
                register_extend(reg, &digest, "kernel, with QEMU's setup header"));
}

static int extend_action(Register *reg, const char *action)
{
        return register_extend_bytes(reg, action, strlen(action), action);
}

int efi_boot_extend_action(Register *reg)
{
        return extend_action(reg, action_boot);
}

int efi_boot_extend_separator(Register *reg)
{
        return register_extend_bytes(reg, "\0\0\0\0", 4, "separator");
}

int efi_boot_extend_exit(Register *reg)
{
        int r = extend_action(reg, action_exit);

        return r < 0 ? r : extend_action(reg, action_exited);
}

/* UTF-16LE with its NUL, each byte zero-extended. */
static int extend_options(Register *reg, const char *options)
{
        size_t n = strlen(options) + 1;
        _cleanup_free_ uint8_t *wide = calloc(n, 2);
        _cleanup_free_ char *what = NULL;

        if (!wide || !(what = text_format("load options: %s", options)))
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                wide[2 * i] = (uint8_t)options[i];
        return register_made_from(reg, INPUT_CMDLINE,
                                  register_extend_bytes(reg, wide, 2 * n, what));
}

static int extend_initrd(const EfiBoot *boot, Register *reg)
{
        HashDigest digest;

        if (!boot->initrd)
                return 0;
        digest = hash_pair_digest(boot->initrd, reg->value.algorithm);
        return register_made_from(reg, INPUT_INITRAMFS, register_extend(reg, &digest, "initramfs"));
}

/* Of a kernel whose stub measures the load options. */
static int measure_both(const EfiBoot *boot, Register *reg)
{
        const char *cmdline = boot->setup.cmdline;
        _cleanup_free_ char *options = NULL;
        const HashPairDigest *initrd = boot->initrd;
        ProfileOptions order = boot->profile->options.value;
        int r;

        if (!cmdline)
                return register_no_value(reg, MEASUREMENT_NOT_GIVEN,
                                         "a kernel is given without a command line (--cmdline)");
        if (initrd && order == PROFILE_OPTIONS_UNKNOWN)
                return register_no_value(
                        reg, MEASUREMENT_NOT_PREDICTABLE,
                        "where the firmware puts \"initrd=initrd\" depends on its version, which "
                        "the given files do not show: give a firmware that shows its version, or "
                        "the profile (--profile options=suffix or options=prefix)");
        options = !initrd                           ? strdup(cmdline)
                  : order == PROFILE_OPTIONS_SUFFIX ? text_format("%s initrd=initrd", cmdline)
                                                    : text_format("initrd=initrd %s", cmdline);
        if (!options)
                return -ENOMEM;
        r = extend_options(reg, options);
        return r < 0 ? r : extend_initrd(boot, reg);
}

int efi_boot_measure_options(const EfiBoot *boot, Register *reg)
{
        switch (boot->profile->stub.value) {
        case PROFILE_STUB_NONE:
                return register_remark(reg,
                                       "zeros: this kernel's EFI stub does not measure load "
                                       "options and initramfs into this register (profile, stub)");
        case PROFILE_STUB_INITRD:
                return extend_initrd(boot, reg)
                               ?: register_remark(reg, "without load options, which this kernel's "
                                                       "EFI stub does not measure (profile, stub)");
        default:
                return measure_both(boot, reg);
        }
}
