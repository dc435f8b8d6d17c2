/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/hcl_report.h"

#include <string.h>

#define HEADER_SIZE 32
#define HARDWARE_SIZE 1184
#define DATA                                                                                       \
        (HEADER_SIZE + HARDWARE_SIZE) /* size, version, type, hash, size of the variable part */
#define DATA_SIZE 20
#define TYPE_SNP 2
#define TYPE_TDX 4

static const char magic[4] = "HCLA";

bool hcl_report_is(Bytes bytes)
{
        return bytes.size >= HEADER_SIZE && memcmp(bytes.data, magic, sizeof(magic)) == 0;
}

/* The variable part ends the data; later versions have more before it. */
static void find_runtime_data(Bytes bytes, HclReport *report)
{
        uint32_t size = le32_get(bytes.data + DATA);
        uint32_t variable = le32_get(bytes.data + DATA + 16);

        if (variable == 0 || size < DATA_SIZE || variable > size - DATA_SIZE ||
            !bytes_contain(bytes, DATA, size))
                return;
        report->runtime_data = (Bytes){bytes.data + DATA + size - variable, variable};
}

int hcl_report_parse(Bytes bytes, HclReport *ret, CvmError *error)
{
        HclReport report = {.algorithm = _HASH_MAX};
        uint32_t type;

        if (bytes.size < DATA + DATA_SIZE)
                return cvm_error_artifact(error, "report",
                                          "is a truncated HCL report (Azure) of %zu bytes",
                                          bytes.size);
        type = le32_get(bytes.data + DATA + 8);
        if (type == TYPE_TDX)
                return cvm_error_artifact(
                        error, "report",
                        "is an HCL report (Azure) of a TD, with a TDREPORT, which only the machine "
                        "that created it can check; request a quote instead");
        if (type != TYPE_SNP)
                return cvm_error_artifact(error, "report",
                                          "is an HCL report (Azure) of type %u; only type 2 "
                                          "(SEV-SNP) has an attestation that can be checked",
                                          type);
        report.report = (Bytes){bytes.data + HEADER_SIZE, HARDWARE_SIZE};
        report.hash = le32_get(bytes.data + DATA + 12);
        if (report.hash == 1 || report.hash == 2)
                report.algorithm = report.hash == 1 ? HASH_SHA256 : HASH_SHA384;
        find_runtime_data(bytes, &report);
        *ret = report;
        return 0;
}
