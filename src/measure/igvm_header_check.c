/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_header_check.h"

#include "measure/bytes.h"
#include "measure/igvm_header.h"
#include "measure/igvm_vp.h"

static bool is_aligned(uint64_t value)
{
        return value % IGVM_PAGE_SIZE == 0;
}

static const char *check_platform(const IgvmHeader *header)
{
        IgvmPlatform platform = igvm_platform(header);

        if (platform.mask == 0 || (platform.mask & (platform.mask - 1)))
                return "its compatibility mask is not one bit";
        if (platform.highest_vtl != 0 && platform.highest_vtl != 2)
                return "its highest VTL is neither 0 nor 2";
        if (platform.type > IGVM_PLATFORM_CCA)
                return "its platform type is unknown";
        if (platform.type == IGVM_PLATFORM_CCA)
                return "platform cca is for AArch64, but the file is for x86-64";
        if (platform.version != 1)
                return "its platform version is not 1";
        if (platform.shared_gpa_boundary &&
            (platform.type == IGVM_PLATFORM_NATIVE || platform.type == IGVM_PLATFORM_VSM))
                return "its platform has no shared memory, so the shared GPA boundary must be 0";
        return NULL;
}

static const char *check_relocation(const uint8_t *p)
{
        uint64_t alignment = le64_get(p + 8), size = le64_get(p + 24);

        if (p[6] > 2)
                return "its VTL is not 0, 1 or 2";
        if (!alignment || !is_aligned(alignment) || !size || !is_aligned(size))
                return "its alignment or size is not a multiple of the page size";
        if (le64_get(p + 16) % alignment || le64_get(p + 32) % alignment ||
            le64_get(p + 40) % alignment)
                return "one of its addresses does not have its alignment";
        return NULL;
}

static const char *check_page_table(const uint8_t *p)
{
        uint64_t size = le64_get(p + 16), used = le64_get(p + 24);

        if (p[6] > 2)
                return "its VTL is not 0, 1 or 2";
        if (p[7])
                return "a reserved field is not 0";
        if (!is_aligned(le64_get(p + 8)) || !size || !is_aligned(size) || !is_aligned(used))
                return "its address or size is not a multiple of the page size";
        return used > size ? "more of it is used than exists" : NULL;
}

static const char *check_area(const Igvm *igvm, const IgvmHeader *header)
{
        uint64_t size = le64_get(header->body.data);
        uint32_t offset = le32_get(header->body.data + 12);

        if (!size || !is_aligned(size) || size > UINT32_MAX)
                return "its size is not a multiple of the page size below 4 GiB";
        if (offset && !igvm_has_data(igvm, offset, size))
                return "its content lies outside the file's data";
        return NULL;
}

static const char *check_page(const Igvm *igvm, const IgvmHeader *header)
{
        uint32_t offset = le32_get(header->body.data + 12);
        IgvmPage page = igvm_page(igvm, header);

        if (page.gpa % page.size || page.gpa + page.size < page.gpa)
                return "its address is not aligned, or too high";
        if (page.data_type > IGVM_DATA_CPUID_XF)
                return "its data type is unknown";
        if (le16_get(header->body.data + 22))
                return "a reserved field is not 0";
        if (offset && page.size == IGVM_LARGE_PAGE_SIZE)
                return "a 2 MiB page has data, of which QEMU uses only the first 4 KiB: use 4 KiB "
                       "pages";
        if (offset && !igvm_has_data(igvm, offset, page.size))
                return "its data lies outside the file's data";
        return NULL;
}

static const char *check_insert(const Igvm *igvm, const IgvmHeader *header)
{
        IgvmInsert insert = igvm_insert(igvm, header);

        return !is_aligned(insert.gpa) || insert.gpa + insert.size < insert.gpa
                       ? "its address is not aligned, or too high"
                       : NULL;
}

static const char *igvm_header_check_memory(const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;

        if (!is_aligned(le64_get(p)) || !is_aligned(le32_get(p + 12)))
                return "its address or size is not a multiple of the page size";
        return le32_get(p + 20) ? "a reserved field is not 0" : NULL;
}

static const char *check_parameter(const Igvm *igvm, const IgvmHeader *header, uint16_t size)
{
        const IgvmArea *area = igvm_find_area(igvm, le32_get(header->body.data));
        uint64_t offset = le32_get(header->body.data + 4);

        return area && offset + size > area->size ? "it is written beyond the end of its area"
                                                  : NULL;
}

static const char *check_file_data(const Igvm *igvm, const IgvmHeader *header)
{
        uint32_t offset = le32_get(header->body.data + 4);

        if (le32_get(header->body.data + 12))
                return "a reserved field is not 0";
        return offset && !igvm_has_data(igvm, offset, le32_get(header->body.data + 8))
                       ? "its content lies outside the file's data"
                       : NULL;
}

const char *igvm_header_check(const Igvm *igvm, const IgvmHeader *header)
{
        const uint8_t *p = header->body.data;
        uint16_t parameter = igvm_header_parameter_size(header);

        if (!igvm_header_has_length(header))
                return "its length does not match its type";
        if (parameter)
                return check_parameter(igvm, header, parameter);
        switch (header->type) {
        case IGVM_SUPPORTED_PLATFORM:
                return check_platform(header);
        case IGVM_GUEST_POLICY:
                return le32_get(p + 12) ? "a reserved field is not 0" : NULL;
        case IGVM_RELOCATABLE_REGION:
                return check_relocation(p);
        case IGVM_PAGE_TABLE_RELOCATION_REGION:
                return check_page_table(p);
        case IGVM_CORIM_DOCUMENT:
        case IGVM_CORIM_SIGNATURE:
                return check_file_data(igvm, header);
        case IGVM_CCA_POLICY:
                return "it is for AArch64, but the file is for x86-64";
        case IGVM_PARAMETER_AREA:
                return check_area(igvm, header);
        case IGVM_PAGE_DATA:
                return check_page(igvm, header);
        case IGVM_PARAMETER_INSERT:
                return check_insert(igvm, header);
        case IGVM_VP_CONTEXT:
                return igvm_vp_check(igvm, header);
        case IGVM_REQUIRED_MEMORY:
                return igvm_header_check_memory(header);
        case IGVM_ERROR_RANGE:
                return is_aligned(le64_get(p)) ? NULL : "its address is not aligned";
        default:
                return NULL;
        }
}
