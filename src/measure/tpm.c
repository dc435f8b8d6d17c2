/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/tpm.h"

static const char no_kernel[] = "no kernel given (--kernel)";

static int measure_pcr4(const EfiBoot *boot, Register *reg)
{
        MeasurementState state;
        const char *reason;
        int r;

        if (!boot)
                return register_no_value(reg, MEASUREMENT_NOT_GIVEN, "%s", no_kernel);
        reason = efi_boot_kernel_unknown(boot, &state);
        if (reason)
                return register_no_value(reg, state, "%s", reason);
        r = efi_boot_extend_kernel(boot, reg);
        if (r == 0)
                r = efi_boot_extend_action(reg);
        if (r == 0)
                r = efi_boot_extend_separator(reg);
        return r;
}

static int measure_pcr9(const EfiBoot *boot, Register *reg)
{
        if (!boot)
                return register_no_value(reg, MEASUREMENT_NOT_GIVEN, "%s", no_kernel);
        return efi_boot_measure_options(boot, reg);
}

int tpm_measure(const EfiBoot *boot, Measurement *measurement)
{
        static const struct {
                const char *name;
                int (*measure)(const EfiBoot *boot, Register *reg);
        } pcrs[] = {{"PCR4", measure_pcr4}, {"PCR9", measure_pcr9}};

        for (size_t i = 0; i < ARRAY_SIZE(pcrs); i++)
                for (HashAlgorithm bank = 0; bank < _HASH_MAX; bank++) {
                        Register *reg = measurement_add(measurement, pcrs[i].name, bank);
                        int r = reg ? pcrs[i].measure(boot, reg) : -ENOMEM;

                        if (r < 0)
                                return r;
                }
        return 0;
}
