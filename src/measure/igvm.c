/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm.h"

#define FIXED_SIZE_1 24
#define FIXED_SIZE_2 32
#define HEADER_SIZE 8
#define PAGE_LARGE 1u
#define PAGE_UNMEASURED 2u
#define PAGE_SHARED 4u

/* Bodies have at least this size; 0: not looked into. */
static const struct {
        uint32_t type;
        const char *name;
        uint32_t size;
        bool loads;
} types[] = {
        {IGVM_SUPPORTED_PLATFORM, "SUPPORTED_PLATFORM", 16, true},
        {IGVM_GUEST_POLICY, "GUEST_POLICY", 16, true},
        {IGVM_RELOCATABLE_REGION, "RELOCATABLE_REGION", 0, false},
        {IGVM_PAGE_TABLE_RELOCATION_REGION, "PAGE_TABLE_RELOCATION_REGION", 0, false},
        {IGVM_PARAMETER_AREA, "PARAMETER_AREA", 16, true},
        {IGVM_PAGE_DATA, "PAGE_DATA", 24, true},
        {IGVM_PARAMETER_INSERT, "PARAMETER_INSERT", 16, true},
        {IGVM_VP_CONTEXT, "VP_CONTEXT", 18, true},
        {IGVM_REQUIRED_MEMORY, "REQUIRED_MEMORY", 16, true},
        {IGVM_VP_COUNT, "VP_COUNT_PARAMETER", 0, true},
        {IGVM_SRAT, "SRAT", 0, false},
        {IGVM_MADT, "MADT", 0, false},
        {IGVM_MMIO_RANGES, "MMIO_RANGES", 0, false},
        {IGVM_SNP_ID_BLOCK, "SNP_ID_BLOCK", 0, true},
        {IGVM_MEMORY_MAP, "MEMORY_MAP", 0, true},
        {IGVM_ERROR_RANGE, "ERROR_RANGE", 0, false},
        {IGVM_COMMAND_LINE, "COMMAND_LINE", 0, false},
        {IGVM_SLIT, "SLIT", 0, false},
        {IGVM_PPTT, "PPTT", 0, false},
        {IGVM_VBS_MEASUREMENT, "VBS_MEASUREMENT", 0, false},
        {IGVM_DEVICE_TREE, "DEVICE_TREE", 0, false},
        {IGVM_ENVIRONMENT_INFO, "ENVIRONMENT_INFO_PARAMETER", 0, true},
};

const char *igvm_type_name(uint32_t type)
{
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (types[i].type == type)
                        return types[i].name;
        return NULL;
}

bool igvm_type_loads(uint32_t type)
{
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (types[i].type == type)
                        return types[i].loads;
        return false;
}

const char *igvm_platform_name(uint32_t type)
{
        static const char *const names[] = {"native", "vsm", "sev-snp", "tdx", "sev", "sev-es"};

        return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

/* CRC-32 of ISO-HDLC (polynomial 0x04c11db7, reflected), as the format wants it. */
static uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        return crc;
}

/* Over fixed and variable headers, the checksum's own field (at 20) taken as zeros. */
static uint32_t checksum(const Igvm *igvm, size_t fixed_size)
{
        static const uint8_t zeros[4];
        const uint8_t *p = igvm->file.data;
        uint32_t crc = crc32_add(UINT32_MAX, p, 20);

        crc = crc32_add(crc, zeros, sizeof(zeros));
        crc = crc32_add(crc, p + 24, fixed_size - 24);
        return ~crc32_add(crc, p + igvm->headers_offset, igvm->headers_size);
}

static const char *parse_fixed(Igvm *igvm)
{
        const uint8_t *p = igvm->file.data;
        size_t fixed_size;

        if (igvm->file.size < FIXED_SIZE_1 || memcmp(p, "IGVM", 4) != 0)
                return "not an IGVM file";
        igvm->version = le32_get(p + 4);
        if (igvm->version != 1 && igvm->version != 2)
                return "an IGVM file of an unknown format version";
        fixed_size = igvm->version == 1 ? FIXED_SIZE_1 : FIXED_SIZE_2;
        if (igvm->file.size < fixed_size)
                return "truncated: shorter than its IGVM fixed header";
        igvm->headers_offset = le32_get(p + 8);
        igvm->headers_size = le32_get(p + 12);
        if (le32_get(p + 16) != igvm->file.size)
                return "truncated or padded: its IGVM header tells another size";
        if (igvm->headers_offset < fixed_size || igvm->headers_offset % 8 ||
            !bytes_contain(igvm->file, igvm->headers_offset, igvm->headers_size))
                return "its IGVM variable headers lie outside the file";
        igvm->architecture = igvm->version == 1 ? 0 : le32_get(p + 24);
        if (igvm->architecture != 0)
                return "an IGVM file for another architecture than x86-64";
        if (igvm->version == 2 && le32_get(p + 28) != IGVM_PAGE_SIZE)
                return "an IGVM file of another page size than 4096";
        if (le32_get(p + 20) != checksum(igvm, fixed_size))
                return "its IGVM headers do not match their checksum";
        return NULL;
}

/* The header at an offset into the variable headers, and how far the next one is. */
static const char *header_at(const Igvm *igvm, size_t offset, IgvmHeader *ret, size_t *ret_step)
{
        const uint8_t *p = igvm->file.data + igvm->headers_offset + offset;
        size_t left = igvm->headers_size - offset, step;
        uint32_t type, size;

        if (left < HEADER_SIZE)
                return "its last IGVM header is cut short";
        type = le32_get(p);
        size = le32_get(p + 4);
        if (size > left - HEADER_SIZE)
                return "an IGVM header is longer than the headers are";
        step = (HEADER_SIZE + (size_t)size + 7) & ~(size_t)7;
        *ret = (IgvmHeader){
                .type = type & ~IGVM_OPTIONAL,
                .optional = type & IGVM_OPTIONAL,
                .body = {p + HEADER_SIZE, size},
        };
        *ret_step = step < left ? step : left;
        return NULL;
}

bool igvm_next(const Igvm *igvm, size_t *cursor, IgvmHeader *ret)
{
        size_t step;

        if (*cursor >= igvm->headers_size || header_at(igvm, *cursor, ret, &step))
                return false;
        *cursor += step;
        return true;
}

static const IgvmArea *find_area(const Igvm *igvm, uint32_t index)
{
        for (size_t i = 0; i < igvm->n_areas; i++)
                if (igvm->areas[i].index == index)
                        return &igvm->areas[i];
        return NULL;
}

IgvmPage igvm_page(const Igvm *igvm, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        uint32_t offset = le32_get(p + 12), flags = le32_get(p + 16);
        IgvmPage page = {
                .gpa = le64_get(p),
                .mask = le32_get(p + 8),
                .size = flags & PAGE_LARGE ? IGVM_LARGE_PAGE_SIZE : IGVM_PAGE_SIZE,
                .unmeasured = flags & PAGE_UNMEASURED,
                .shared = flags & PAGE_SHARED,
                .data_type = le16_get(p + 20),
        };

        if (offset)
                page.data = (Bytes){igvm->file.data + offset, page.size};
        return page;
}

IgvmInsert igvm_insert(const Igvm *igvm, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        const IgvmArea *area = find_area(igvm, le32_get(p + 12));

        return (IgvmInsert){.gpa = le64_get(p),
                            .mask = le32_get(p + 8),
                            .area = le32_get(p + 12),
                            .size = area ? area->size : 0};
}

IgvmVpContext igvm_vp_context(const Igvm *igvm, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        uint32_t offset = le32_get(p + 12);
        size_t left = igvm->file.size - offset;

        return (IgvmVpContext){
                .gpa = le64_get(p),
                .mask = le32_get(p + 8),
                .vp_index = le16_get(p + 16),
                .data = {igvm->file.data + offset, left < IGVM_PAGE_SIZE ? left : IGVM_PAGE_SIZE},
        };
}

IgvmPolicy igvm_policy(const IgvmHeader *header)
{
        return (IgvmPolicy){.policy = le64_get(header->body.data),
                            .mask = le32_get(header->body.data + 8)};
}

static const char *add_platform(Igvm *igvm, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        IgvmPlatform platform = {
                .mask = le32_get(p),
                .highest_vtl = p[4],
                .type = p[5],
                .version = le16_get(p + 6),
                .shared_gpa_boundary = le64_get(p + 8),
        };

        if (platform.mask == 0 || (platform.mask & (platform.mask - 1)))
                return "an IGVM platform's compatibility mask is not one bit";
        for (size_t i = 0; i < igvm->n_platforms; i++)
                if (igvm->platforms[i].mask == platform.mask)
                        return "two IGVM platforms have the same compatibility mask";
        igvm->platforms[igvm->n_platforms++] = platform; /* 32 bits: there is room */
        return NULL;
}

static const char *add_area(Igvm *igvm, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        IgvmArea area = {.size = le64_get(p), .index = le32_get(p + 8)};
        uint32_t offset = le32_get(p + 12);

        if (igvm->n_areas == IGVM_AREAS_MAX)
                return "more than 256 IGVM parameter areas";
        if (find_area(igvm, area.index))
                return "two IGVM parameter areas have the same index";
        if (area.size == 0 || area.size % IGVM_PAGE_SIZE || area.size > UINT32_MAX)
                return "an IGVM parameter area is not of whole pages below 4 GiB";
        if (offset && !bytes_contain(igvm->file, offset, area.size))
                return "the contents of an IGVM parameter area lie outside the file";
        igvm->areas[igvm->n_areas++] = area;
        return NULL;
}

static const char *check_gpa(uint64_t gpa, uint64_t size)
{
        return gpa % (size == IGVM_LARGE_PAGE_SIZE ? size : IGVM_PAGE_SIZE) || gpa + size < gpa
                       ? "an IGVM page's address is not aligned, or too high"
                       : NULL;
}

static const char *check_page(const Igvm *igvm, const IgvmHeader *header)
{
        uint32_t offset = le32_get(header->body.data + 12);
        IgvmPage page = igvm_page(igvm, header);
        const char *reason = check_gpa(page.gpa, page.size);

        if (!reason && page.data_type > IGVM_DATA_CPUID_XF)
                reason = "an IGVM page is of an unknown data type";
        if (!reason && offset && !bytes_contain(igvm->file, offset, page.size))
                reason = "an IGVM page's data lie outside the file";
        return reason;
}

static const char *check_insert(const Igvm *igvm, const IgvmHeader *header)
{
        IgvmInsert insert = igvm_insert(igvm, header);

        if (!insert.size)
                return "an IGVM header inserts a parameter area that there is not";
        return insert.gpa % IGVM_PAGE_SIZE || insert.gpa + insert.size < insert.gpa
                       ? "an IGVM parameter area's address is not aligned, or too high"
                       : NULL;
}

static const char *check_vp_context(const Igvm *igvm, const IgvmHeader *header)
{
        uint32_t offset = le32_get(header->body.data + 12);

        if (offset == 0 || !bytes_contain(igvm->file, offset, 1))
                return "an IGVM VP context lies outside the file";
        return NULL;
}

static const char *check_header(Igvm *igvm, const IgvmHeader *header)
{
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (types[i].type == header->type && header->body.size < types[i].size)
                        return "an IGVM header is shorter than its type wants";
        switch (header->type) {
        case IGVM_SUPPORTED_PLATFORM:
                return add_platform(igvm, header);
        case IGVM_PARAMETER_AREA:
                return add_area(igvm, header);
        case IGVM_PAGE_DATA:
                return check_page(igvm, header);
        case IGVM_PARAMETER_INSERT:
                return check_insert(igvm, header);
        case IGVM_VP_CONTEXT:
                return check_vp_context(igvm, header);
        default:
                return NULL;
        }
}

/* Platforms come first, then what initializes, then directives. */
static unsigned section_of(uint32_t type)
{
        return type <= 0x100 ? 0 : type <= 0x200 ? 1 : 2;
}

static const char *parse_headers(Igvm *igvm)
{
        unsigned section = 0;

        for (size_t at = 0, step; at < igvm->headers_size; at += step) {
                const char *reason;
                IgvmHeader header;

                reason = header_at(igvm, at, &header, &step);
                if (!reason && section_of(header.type) < section)
                        reason = "IGVM headers stand out of their order";
                if (!reason && ++igvm->n_headers > IGVM_HEADERS_MAX)
                        reason = "more than 1048576 IGVM headers";
                if (!reason)
                        reason = check_header(igvm, &header);
                if (reason)
                        return reason;
                section = section_of(header.type);
        }
        return igvm->n_platforms ? NULL : "an IGVM file for no platform";
}

int igvm_parse(Bytes file, const char *name, Igvm *ret, CvmError *error)
{
        Igvm igvm = {.file = file};
        const char *reason = parse_fixed(&igvm);

        if (!reason)
                reason = parse_headers(&igvm);
        if (reason)
                return cvm_error_artifact(error, name, "%s", reason);
        *ret = igvm;
        return 0;
}

const IgvmPlatform *igvm_find_platform(const Igvm *igvm, IgvmPlatformType type)
{
        for (size_t i = 0; i < igvm->n_platforms; i++)
                if (igvm->platforms[i].type == type)
                        return &igvm->platforms[i];
        return NULL;
}

int igvm_find_policy(const Igvm *igvm, IgvmPlatformType type, uint64_t *ret)
{
        const IgvmPlatform *platform = igvm_find_platform(igvm, type);
        IgvmHeader header;
        size_t cursor = 0;
        int r = -ENOENT;

        while (platform && igvm_next(igvm, &cursor, &header)) {
                IgvmPolicy policy;

                if (header.type != IGVM_GUEST_POLICY)
                        continue;
                policy = igvm_policy(&header);
                if (policy.mask & platform->mask) {
                        *ret = policy.policy;
                        r = 0;
                }
        }
        return r;
}
