/* SPDX-License-Identifier: Apache-2.0 */

/* IGVM files. Size and checksum are set right first: a file that is wrong there alone is dull. */

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "measure/boot_check.h"
#include "measure/igvm_id_block.h"
#include "measure/igvm_summary.h"
#include "measure/measure.h"
#include "measure/snp_igvm.h"

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        return ~crc;
}

static void seal(uint8_t *data, size_t size)
{
        uint32_t offset, length;

        if (size < 32)
                return;
        offset = le32_get(data + 8);
        length = le32_get(data + 12);
        le32_put(data + 16, (uint32_t)size);
        le32_put(data + 20, 0);
        /* headers right behind the fixed one, as every builder has them */
        if (offset <= 32 && length <= size - offset)
                le32_put(data + 20, crc32_of(data, offset + length));
}

static void measure(const Igvm *igvm)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        _cleanup_(cvm_error_done) CvmError error = {};
        SnpIgvm input = {.igvm = igvm, .name = "igvm", .cpus = 2, .cpu_signature = 1};
        uint64_t features;

        if (!measurement || !measurement_add(measurement, "a", HASH_SHA384) ||
            !measurement_add(measurement, "b", HASH_SHA384))
                abort();
        snp_igvm_measure(&input, &measurement->registers[0], &measurement->registers[1], &features,
                         &error);
}

/* A file that was signed is one, and its block is found again. */
static void sign(const Igvm *igvm)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        IdBlock block = {.launch_digest.algorithm = HASH_SHA384, .guest_svn = 7};
        uint8_t auth[ID_AUTH_SIZE] = {1};
        _cleanup_free_ uint8_t *data = NULL;
        IgvmIdBlock found;
        size_t size;
        Igvm again;

        if (igvm_sign(igvm, "igvm", &block, auth, false, &data, &size, &error) < 0) {
                if (!cvm_error_is_set(&error))
                        abort();
                return;
        }
        if (igvm_parse((Bytes){data, size}, "igvm", &again, &error) < 0) {
                /* headers that pages lie in */
                return;
        }
        if (igvm_find_id_block(&again, "igvm", &found, &error) < 0 || found.block.guest_svn != 7)
                abort();
}

/* For SEV-SNP; a file that is not is refused. */
static void check_boot(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        PlanIgvm plan = {};
        int r = boot_check_igvm((Bytes){data, size}, "igvm", "sev-snp", NULL, 2, &plan, &error);

        if ((r < 0) != cvm_error_is_set(&error))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ uint8_t *copy = malloc(size ?: 1);
        FirmwareCode code;
        Igvm igvm;

        if (!copy)
                return 0;
        memcpy(copy, data, size);
        seal(copy, size);
        if (igvm_read((Bytes){copy, size}, "igvm", &igvm, &error) < 0)
                return 0;
        json_object_put(igvm_summary(&igvm));
        if (igvm_parse((Bytes){copy, size}, "igvm", &igvm, &error) < 0)
                return 0;
        measure_read_code(MEASURE_SEV_SNP_IGVM, (Bytes){copy, size}, true, &code);
        measure_read_code(MEASURE_VTPM, (Bytes){copy, size}, true, &code);
        measure(&igvm);
        sign(&igvm);
        check_boot(copy, size);
        return 0;
}
