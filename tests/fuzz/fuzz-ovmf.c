/* SPDX-License-Identifier: Apache-2.0 */

/* Firmware: its table of GUIDs, SEV and TDX metadata and compressed code, and all that is measured
 * of it. */

#include "fuzz.h"
#include "measure/boot_check.h"
#include "measure/measure.h"
#include "measure/measurement_document.h"

static void measure(const MeasureInputs *inputs)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        if ((measure_run(inputs, &measurement, &error) < 0) != cvm_error_is_set(&error))
                abort();
        if (measurement)
                json_object_put(measurement_to_json(measurement, "fuzz", NULL));
}

/* Without MRTD, which takes long where the metadata name much memory. */
static void measure_rtmr0(Bytes file)
{
        static const AcpiFiles acpi = {
                {(const uint8_t *)"1", 1}, {(const uint8_t *)"2", 1}, {(const uint8_t *)"3", 1}};
        Profile profile = {.edk2 = RTMR0_EDK2_LAST, .boot = {PROFILE_BOOT_MENU, "fuzz"}};
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        _cleanup_(cvm_error_done) CvmError error = {};
        Register *reg = measurement ? measurement_add(measurement, "RTMR0", HASH_SHA384) : NULL;
        Tdvf tdvf;

        if (reg && tdvf_parse(file, "firmware", &tdvf, &error) == 0 &&
            rtmr0_measure(&tdvf, &profile, &acpi, UINT64_C(4) << 30, reg) < 0)
                abort();
}

static void check_boot(Bytes file)
{
        static const char *const guests[] = {NULL, "sev", "sev-es", "sev-snp", "tdx"};

        for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                int r = boot_check_firmware(file, "firmware", guests[i], &error);

                if ((r < 0) != cvm_error_is_set(&error))
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FirmwareCode code;
        MeasureInputs inputs = {.firmware.bytes = {data, size}, .cpus = 2};

        if (size == 0)
                return 0;
        inputs.method = MEASURE_SEV_SNP_OVMF;
        measure(&inputs);
        inputs.method = MEASURE_TDX;
        measure(&inputs);
        measure_rtmr0(inputs.firmware.bytes);
        measure_read_code(inputs.method, inputs.firmware.bytes, false, &code);
        check_boot(inputs.firmware.bytes);
        return 0;
}
