/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/snp_report.h"

#define ECDSA_P384_SHA384 1
#define SCALAR_FIELD 72

typedef struct Range {
        uint16_t begin, end;
        uint32_t versions; /* a bit each */
} Range;

#define V(n) (1u << (n))
#define ALL (V(2) | V(3) | V(5))

static const Range reserved[] = {
        {0x4c, 0x50, ALL},
        {0x188, 0x1a0, V(2)},
        {0x18b, 0x1a0, V(3) | V(5)},
        {0x1eb, 0x1ec, ALL},
        {0x1ef, 0x1f0, ALL},
        {0x1f8, 0x2a0, V(2) | V(3)},
        {0x208, 0x2a0, V(5)},
        {0x2a0 + SNP_SCALAR_SIZE, 0x2a0 + SCALAR_FIELD, ALL},
        {0x2a0 + SCALAR_FIELD + SNP_SCALAR_SIZE, 0x2a0 + 2 * SCALAR_FIELD, ALL},
        {0x2a0 + 2 * SCALAR_FIELD, SNP_REPORT_SIZE, ALL},
};

static int check_reserved(const uint8_t *data, uint32_t version, CvmError *error)
{
        for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
                for (size_t at = reserved[i].begin;
                     reserved[i].versions & V(version) && at < reserved[i].end; at++)
                        if (data[at] != 0)
                                return cvm_error_artifact(
                                        error, "report",
                                        "reserved byte 0x%zx is not zero in version %u", at,
                                        version);
        return 0;
}

static void reverse(const uint8_t *from, uint8_t to[static SNP_SCALAR_SIZE])
{
        for (size_t i = 0; i < SNP_SCALAR_SIZE; i++)
                to[i] = from[SNP_SCALAR_SIZE - 1 - i];
}

static int parse_flags(uint32_t flags, SnpReport *report, CvmError *error)
{
        uint32_t key = flags >> 2 & 7;

        if (flags >> 5)
                return cvm_error_artifact(error, "report", "reserved flags are set: 0x%x", flags);
        if (key != SNP_SIGNED_BY_VCEK && key != SNP_SIGNED_BY_VLEK && key != SNP_SIGNED_BY_NONE)
                return cvm_error_artifact(error, "report", "SIGNING_KEY %u is not known", key);
        report->author_key = flags & 1;
        report->masked_chip_key = flags & 2;
        report->signing_key = key;
        return 0;
}

int snp_report_parse(Bytes bytes, SnpReport *ret, CvmError *error)
{
        const uint8_t *data = bytes.data;
        SnpReport report = {};
        int r;

        if (bytes.size != SNP_REPORT_SIZE)
                return cvm_error_artifact(error, "report",
                                          "has %zu bytes; an SEV-SNP report has %d", bytes.size,
                                          SNP_REPORT_SIZE);
        report.version = le32_get(data);
        if (report.version >= 32 || !(ALL & V(report.version)))
                return cvm_error_artifact(error, "report",
                                          "is of version %u; versions 2, 3 and 5 are known",
                                          report.version);
        if (le32_get(data + 0x34) != ECDSA_P384_SHA384)
                return cvm_error_artifact(error, "report",
                                          "SIGNATURE_ALGO is %u; only 1 is known (ECDSA P-384 "
                                          "with SHA-384)",
                                          le32_get(data + 0x34));
        r = check_reserved(data, report.version, error);
        if (r == 0)
                r = parse_flags(le32_get(data + 0x48), &report, error);
        if (r < 0)
                return r;
        report.guest_svn = le32_get(data + 0x4);
        report.policy = le64_get(data + 0x8);
        report.family_id = data + 0x10;
        report.image_id = data + 0x20;
        report.vmpl = le32_get(data + 0x30);
        report.current_tcb = le64_get(data + 0x38);
        report.report_data = data + 0x50;
        report.measurement = data + 0x90;
        report.host_data = data + 0xc0;
        report.id_key_digest = data + 0xe0;
        report.author_key_digest = data + 0x110;
        report.reported_tcb = data + 0x180;
        report.has_cpuid = report.version >= 3;
        report.family = data[0x188];
        report.model = data[0x189];
        report.stepping = data[0x18a];
        report.chip_id = data + 0x1a0;
        report.signed_part = data;
        reverse(data + SNP_REPORT_SIGNED, report.r);
        reverse(data + SNP_REPORT_SIGNED + SCALAR_FIELD, report.s);
        *ret = report;
        return 0;
}
