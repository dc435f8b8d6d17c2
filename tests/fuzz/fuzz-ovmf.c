/* SPDX-License-Identifier: Apache-2.0 */

/* Firmware: its table of GUIDs, SEV and TDX metadata and compressed code, and all that is measured
 * of it. */

#include "fuzz.h"
#include "measure/boot_file.h"
#include "measure/measure.h"

static void measure(const MeasureInputs *inputs)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        if ((measure_run(inputs, &measurement, &error) < 0) != cvm_error_is_set(&error))
                abort();
        if (measurement)
                json_object_put(measurement_to_json(measurement));
}

static void check_boot(Bytes file)
{
        static const char *const guests[] = {"sev", "sev-es", "sev-snp", "tdx"};

        for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                int r = boot_check_firmware(file, "firmware", guests[i], &error);

                if ((r < 0) != cvm_error_is_set(&error))
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        MeasureInputs inputs = {.firmware.bytes = {data, size}, .cpus = 2};

        if (size == 0)
                return 0;
        inputs.method = MEASURE_SEV_SNP_OVMF;
        measure(&inputs);
        inputs.method = MEASURE_TDX;
        measure(&inputs);
        /* RTMR0 and the firmware's code */
        inputs.acpi = (AcpiFiles){
                {(const uint8_t *)"1", 1}, {(const uint8_t *)"2", 1}, {(const uint8_t *)"3", 1}};
        inputs.memory = UINT64_C(4) << 30;
        measure(&inputs);
        inputs.profile = (Profile){.edk2 = RTMR0_EDK2_LAST,
                                   .edk2_source = "fuzz",
                                   .boot = {PROFILE_BOOT_MENU, "fuzz"}};
        measure(&inputs);
        check_boot(inputs.firmware.bytes);
        return 0;
}
