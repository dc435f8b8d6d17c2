/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_check.h"

#include "measure/bytes.h"
#include "measure/igvm_header.h"
#include "measure/igvm_header_check.h"
#include "measure/igvm_vp.h"

#define REGIONS_MAX 64

/* A region that is relocated, for the vCPU whose context must be there. */
typedef struct Region {
        uint64_t from, to;
        uint32_t mask;
        uint16_t vp_index;
        uint8_t vtl;
        bool is_page_table, has_context;
} Region;

typedef struct Check {
        Igvm *igvm;
        bool inserted[IGVM_AREAS_MAX]; /* by the index in igvm->areas */
        Region regions[REGIONS_MAX];
        size_t n_regions;
        IgvmHeader last_region; /* whose context is missed */
} Check;

static const char *add_platform(Igvm *igvm, const IgvmHeader *header)
{
        IgvmPlatform platform = igvm_platform(header);

        for (size_t i = 0; i < igvm->n_platforms; i++) {
                if (igvm->platforms[i].mask == platform.mask)
                        return "another platform has the same compatibility mask";
                if (igvm->platforms[i].type == platform.type)
                        return "another header is for a platform of the same type";
        }
        igvm->platforms[igvm->n_platforms++] = platform; /* 32 bits: there is room */
        return NULL;
}

static const char *add_area(Igvm *igvm, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        IgvmArea area = {.size = le64_get(p), .index = le32_get(p + 8)};

        if (igvm->n_areas == IGVM_AREAS_MAX)
                return "more than 256 parameter areas";
        if (igvm_find_area(igvm, area.index))
                return "another parameter area has the same index";
        igvm->areas[igvm->n_areas++] = area;
        return NULL;
}

static const char *add_region(Check *check, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        bool is_table = header->type == IGVM_PAGE_TABLE_RELOCATION_REGION;
        uint64_t from = le64_get(p + (is_table ? 8 : 16)),
                 size = le64_get(p + (is_table ? 16 : 24));
        Region region = {.from = from,
                         .to = from + size,
                         .mask = le32_get(p),
                         .vp_index = le16_get(p + 4),
                         .vtl = p[6],
                         .is_page_table = is_table};

        if (region.to < from)
                return "it ends beyond the address space";
        if (check->n_regions == REGIONS_MAX)
                return "more than 64 relocated regions";
        for (size_t i = 0; i < check->n_regions; i++) {
                const Region *other = &check->regions[i];

                if (!(other->mask & region.mask))
                        continue;
                if (other->is_page_table && is_table)
                        return "one of its platforms already has such a header";
                if (other->from < region.to && region.from < other->to)
                        return "it overlaps another relocated region";
        }
        check->regions[check->n_regions++] = region;
        check->last_region = *header;
        return NULL;
}

/* The area is there, and has not been inserted yet. */
static const char *find_open_area(const Check *check, uint32_t index, size_t *ret)
{
        const IgvmArea *area = igvm_find_area(check->igvm, index);

        if (!area)
                return "no parameter area with that index was declared before it";
        *ret = (size_t)(area - check->igvm->areas);
        return check->inserted[*ret] ? "its parameter area has already been inserted" : NULL;
}

static const char *add_insert(Check *check, const IgvmHeader *header)
{
        IgvmInsert insert = igvm_insert(check->igvm, header);
        size_t area;
        const char *reason = find_open_area(check, insert.area, &area);

        if (reason)
                return reason;
        for (size_t i = 0; i < check->n_regions; i++) {
                const Region *region = &check->regions[i];

                if (region->is_page_table && region->mask & insert.mask &&
                    insert.gpa >= region->from && insert.gpa < region->to)
                        return "it lies within a region of page tables";
        }
        check->inserted[area] = true;
        return NULL;
}

/* Only contexts of VSM have a VTL, by which a region names the one that is its own. */
static const char *add_context(Check *check, const IgvmHeader *header)
{
        IgvmVpContext context = igvm_vp_context(check->igvm, header);
        int vtl = igvm_vp_vtl(check->igvm, header);

        for (size_t i = 0; i < check->n_regions; i++) {
                Region *region = &check->regions[i];

                if (region->mask & context.mask && region->vp_index == 0 && region->vtl == vtl)
                        region->has_context = true;
        }
        return NULL;
}

static const char *igvm_check_add_header(Check *check, const IgvmHeader *header)
{
        uint32_t mask, area;
        size_t index;

        if (igvm_header_mask(header, &mask) && !mask)
                return NULL; /* it concerns no platform: QEMU's library drops it */
        if (igvm_header_parameter(header, &area))
                return find_open_area(check, area, &index);
        switch (header->type) {
        case IGVM_SUPPORTED_PLATFORM:
                return add_platform(check->igvm, header);
        case IGVM_RELOCATABLE_REGION:
        case IGVM_PAGE_TABLE_RELOCATION_REGION:
                return add_region(check, header);
        case IGVM_PARAMETER_AREA:
                return add_area(check->igvm, header);
        case IGVM_PARAMETER_INSERT:
                return add_insert(check, header);
        case IGVM_VP_CONTEXT:
                return add_context(check, header);
        default:
                return NULL;
        }
}

static int igvm_check_finish(const Check *check, const char *name, CvmError *error)
{
        if (!check->igvm->n_platforms)
                return cvm_error_artifact(error, name, "an IGVM file for no platform");
        for (size_t i = 0; i < check->n_regions; i++)
                if (!check->regions[i].has_context)
                        return igvm_header_refuse(&check->last_region, name, error,
                                                  "no VP context belongs to a relocated region");
        return 0;
}

int igvm_check_headers(Igvm *igvm, const char *name, CvmError *error)
{
        Check check = {.igvm = igvm};
        unsigned section = 0;
        IgvmHeader header;
        size_t cursor = 0;

        while (cursor < igvm->headers_size) {
                const char *reason = igvm_read_header(igvm, &cursor, &header);

                if (reason)
                        return cvm_error_artifact(error, name, "%s", reason);
                if (++igvm->n_headers > IGVM_HEADERS_MAX)
                        return cvm_error_artifact(error, name, "more than 1048576 IGVM headers");
                if (!igvm_header_is_known(&header))
                        continue;
                if (igvm_header_section(header.type) < section)
                        reason = "it is out of order: platform headers come first, then "
                                 "initialization headers, then directive headers";
                if (!reason)
                        reason = igvm_header_check(igvm, &header);
                if (!reason)
                        reason = igvm_check_add_header(&check, &header);
                if (reason)
                        return igvm_header_refuse(&header, name, error, reason);
                section = igvm_header_section(header.type);
        }
        return igvm_check_finish(&check, name, error);
}

int igvm_check_known(const Igvm *igvm, const char *name, CvmError *error)
{
        size_t cursor = 0;
        IgvmHeader header;

        while (igvm_next(igvm, &cursor, &header))
                if (!igvm_header_is_known(&header))
                        return igvm_header_refuse(
                                &header, name, error,
                                header.type & IGVM_OPTIONAL
                                        ? "QEMU's IGVM library refuses a file with headers marked "
                                          "as optional: build it without them"
                                        : "QEMU's IGVM library refuses a file with headers of "
                                          "unknown types: build it without them");
        return 0;
}
