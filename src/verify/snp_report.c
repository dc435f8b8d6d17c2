/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/snp_report.h"

#define SCALAR_FIELD 72
#define SIGNATURE_ALGO 0x34
#define FLAGS 0x48
#define FLAGS_KNOWN 0x1fu

typedef struct Range {
        uint16_t begin, end;
        uint32_t versions; /* a bit each */
} Range;

#define V(n) (1u << (n))
#define ALL (V(2) | V(3) | V(4) | V(5))

/* Of version 6 it is not known what is reserved. */
static const Range reserved[] = {
        {0x4c, 0x50, ALL},           {0x188, 0x1a0, V(2)}, {0x18b, 0x1a0, V(3) | V(4) | V(5)},
        {0x1eb, 0x1ec, ALL},         {0x1ef, 0x1f0, ALL},  {0x1f8, 0x2a0, V(2) | V(3)},
        {0x208, 0x2a0, V(4) | V(5)},
};

/* Of the signature by SNP_ECDSA_P384_SHA384, in the versions that are known. */
static const Range unused[] = {
        {0x2a0 + SNP_SCALAR_SIZE, 0x2a0 + SCALAR_FIELD, 0},
        {0x2a0 + SCALAR_FIELD + SNP_SCALAR_SIZE, 0x2a0 + 2 * SCALAR_FIELD, 0},
        {0x2a0 + 2 * SCALAR_FIELD, SNP_REPORT_SIZE, 0},
};

/* The first byte of the range that is not zero, or 0. */
static size_t find_used(const uint8_t *data, const Range *range)
{
        for (size_t at = range->begin; at < range->end; at++)
                if (data[at] != 0)
                        return at;
        return 0;
}

static size_t find_reserved(const uint8_t *data, uint32_t version)
{
        size_t found = 0;

        if (version > SNP_VERSION_KNOWN)
                return 0;
        if (V(version) & ALL && le32_get(data + FLAGS) & ~FLAGS_KNOWN)
                return FLAGS;
        for (size_t i = 0; found == 0 && i < ARRAY_SIZE(reserved); i++)
                if (reserved[i].versions & V(version))
                        found = find_used(data, &reserved[i]);
        return found;
}

/* Nothing signs these bytes: with them one report would have many forms. */
static int check_signature_form(const uint8_t *data, CvmError *error)
{
        for (size_t i = 0; i < ARRAY_SIZE(unused); i++) {
                size_t at = find_used(data, &unused[i]);

                if (at)
                        return cvm_error_artifact(error, "report",
                                                  "byte 0x%zx, outside the numbers of the "
                                                  "signature, is not zero",
                                                  at);
        }
        return 0;
}

static void reverse(const uint8_t *from, uint8_t to[static SNP_SCALAR_SIZE])
{
        for (size_t i = 0; i < SNP_SCALAR_SIZE; i++)
                to[i] = from[SNP_SCALAR_SIZE - 1 - i];
}

bool snp_report_is(Bytes bytes)
{
        return bytes.size >= SIGNATURE_ALGO + 4 && le32_get(bytes.data) >= SNP_VERSION_FIRST &&
               le32_get(bytes.data) < 0x100 &&
               le32_get(bytes.data + SIGNATURE_ALGO) == SNP_ECDSA_P384_SHA384;
}

static void snp_report_parse_fields(const uint8_t *data, SnpReport *report)
{
        uint32_t flags = le32_get(data + FLAGS);

        report->guest_svn = le32_get(data + 0x4);
        report->policy = le64_get(data + 0x8);
        report->family_id = data + 0x10;
        report->image_id = data + 0x20;
        report->vmpl = le32_get(data + 0x30);
        report->current_tcb = data + 0x38;
        report->platform_info = le64_get(data + 0x40);
        report->author_key = flags & 1;
        report->masked_chip_key = flags & 2;
        report->signing_key = flags >> 2 & 7;
        report->report_data = data + 0x50;
        report->measurement = data + 0x90;
        report->host_data = data + 0xc0;
        report->id_key_digest = data + 0xe0;
        report->author_key_digest = data + 0x110;
        report->reported_tcb = data + 0x180;
        report->has_cpuid = report->known_version && report->version >= 3;
        report->family = data[0x188];
        report->model = data[0x189];
        report->stepping = data[0x18a];
        report->chip_id = data + 0x1a0;
        report->committed_tcb = data + 0x1e0;
        report->launch_tcb = data + 0x1f0;
        report->signed_part = data;
}

int snp_report_parse(Bytes bytes, SnpReport *ret, CvmError *error)
{
        const uint8_t *data = bytes.data;
        SnpReport report = {};
        int r = 0;

        if (bytes.size != SNP_REPORT_SIZE)
                return cvm_error_artifact(error, "report",
                                          "has %zu bytes; an SEV-SNP report has %d", bytes.size,
                                          SNP_REPORT_SIZE);
        report.version = le32_get(data);
        if (report.version < SNP_VERSION_FIRST)
                return cvm_error_artifact(
                        error, "report",
                        "is an SEV-SNP report of version %u; the lowest version is %d",
                        report.version, SNP_VERSION_FIRST);
        report.known_version = report.version <= SNP_VERSION_KNOWN;
        report.signature_algorithm = le32_get(data + SIGNATURE_ALGO);
        report.reserved_at = find_reserved(data, report.version);
        if (report.known_version && report.signature_algorithm == SNP_ECDSA_P384_SHA384)
                r = check_signature_form(data, error);
        if (r < 0)
                return r;
        snp_report_parse_fields(data, &report);
        reverse(data + SNP_REPORT_SIGNED, report.r);
        reverse(data + SNP_REPORT_SIGNED + SCALAR_FIELD, report.s);
        *ret = report;
        return 0;
}
