/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/tdx.h"

static const char no_kernel[] = "no kernel given (--kernel)";

static int measure_rtmr1(const EfiBoot *boot, Register *reg)
{
        MeasurementState state;
        const char *reason;
        int r;

        if (!boot)
                return register_no_value(reg, MEASUREMENT_NOT_GIVEN, "%s", no_kernel);
        reason = efi_boot_kernel_unknown(boot, &state);
        if (reason)
                return register_no_value(reg, state, "%s", reason);
        if (boot->profile->separator.value == PROFILE_SEPARATOR_UNKNOWN)
                return register_no_value(
                        reg, MEASUREMENT_NOT_PREDICTABLE,
                        "the version of the firmware decides whether a separator is measured into "
                        "RTMR1 or RTMR0: pass the firmware (--firmware), or the register "
                        "(--profile separator=rtmr1 or separator=rtmr0)");
        r = efi_boot_extend_kernel(boot, reg);
        if (r == 0)
                r = efi_boot_extend_action(reg);
        if (r == 0 && boot->profile->separator.value == PROFILE_SEPARATOR_RTMR1)
                r = efi_boot_extend_separator(reg);
        if (r == 0)
                r = efi_boot_extend_exit(reg);
        return r;
}

int tdx_measure_boot(const EfiBoot *boot, Measurement *measurement)
{
        Register *reg = measurement_add(measurement, "RTMR1", HASH_SHA384);
        int r = reg ? measure_rtmr1(boot, reg) : -ENOMEM;

        if (r < 0)
                return r;
        reg = measurement_add(measurement, "RTMR2", HASH_SHA384);
        if (!reg)
                return -ENOMEM;
        r = boot ? efi_boot_measure_options(boot, reg)
                 : register_no_value(reg, MEASUREMENT_NOT_GIVEN, "%s", no_kernel);
        if (r < 0)
                return r;
        reg = measurement_add(measurement, "RTMR3", HASH_SHA384);
        return reg ? register_remark(reg, "zeros until the guest extends it") : -ENOMEM;
}
