/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm.h"

#include "measure/bytes.h"

#define HEADER_SIZE 8
#define PAGE_LARGE 1u
#define PAGE_UNMEASURED 2u
#define PAGE_SHARED 4u

const char *igvm_platform_name(uint32_t type)
{
        static const char *const names[] = {"native", "vsm",    "sev-snp", "tdx",
                                            "sev",    "sev-es", "cca"};

        return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

const char *igvm_read_header(const Igvm *igvm, size_t *cursor, IgvmHeader *ret)
{
        size_t offset = igvm->headers_offset + *cursor, left = igvm->headers_size - *cursor, step;
        const uint8_t *p = igvm->file.data + offset;
        uint32_t size;

        if (left < HEADER_SIZE)
                return "its last IGVM header is truncated";
        size = le32_get(p + 4);
        if (size > left - HEADER_SIZE)
                return "an IGVM header is longer than the header section";
        step = (HEADER_SIZE + (size_t)size + 7) & ~(size_t)7;
        *ret = (IgvmHeader){
                .type = le32_get(p),
                .offset = offset,
                .body = {p + HEADER_SIZE, size},
        };
        *cursor += step < left ? step : left;
        return NULL;
}

bool igvm_next(const Igvm *igvm, size_t *cursor, IgvmHeader *ret)
{
        return *cursor < igvm->headers_size && !igvm_read_header(igvm, cursor, ret);
}

bool igvm_has_data(const Igvm *igvm, uint64_t offset, uint64_t size)
{
        return offset >= igvm->headers_offset + (uint64_t)igvm->headers_size &&
               bytes_contain(igvm->file, offset, size);
}

const IgvmArea *igvm_find_area(const Igvm *igvm, uint32_t index)
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
        const IgvmArea *area = igvm_find_area(igvm, le32_get(p + 12));

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

IgvmPlatform igvm_platform(const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;

        return (IgvmPlatform){
                .mask = le32_get(p),
                .highest_vtl = p[4],
                .type = p[5],
                .version = le16_get(p + 6),
                .shared_gpa_boundary = le64_get(p + 8),
        };
}

bool igvm_is_service(const IgvmPlatform *platform)
{
        return platform->type != IGVM_PLATFORM_NATIVE && platform->highest_vtl == 0;
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
