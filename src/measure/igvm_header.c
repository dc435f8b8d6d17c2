/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_header.h"

#include "measure/bytes.h"

#define NO_MASK UINT8_MAX

static const struct {
        uint32_t type;
        const char *name;
        uint16_t size;      /* of the body, exactly */
        uint8_t mask;       /* offset of the compatibility mask, or NO_MASK */
        uint16_t parameter; /* the least that QEMU writes into the area; 0: not a parameter */
        bool loads;
} types[] = {
        {IGVM_SUPPORTED_PLATFORM, "SUPPORTED_PLATFORM", 16, NO_MASK, 0, true},
        {IGVM_GUEST_POLICY, "GUEST_POLICY", 16, 8, 0, true},
        {IGVM_RELOCATABLE_REGION, "RELOCATABLE_REGION", 48, 0, 0, false},
        {IGVM_PAGE_TABLE_RELOCATION_REGION, "PAGE_TABLE_RELOCATION_REGION", 32, 0, 0, false},
        {IGVM_CORIM_DOCUMENT, "CORIM_DOCUMENT", 16, 0, 0, false},
        {IGVM_CORIM_SIGNATURE, "CORIM_SIGNATURE", 16, 0, 0, false},
        {IGVM_CCA_POLICY, "CCA_POLICY", 32, 0, 0, false},
        {IGVM_PARAMETER_AREA, "PARAMETER_AREA", 16, NO_MASK, 0, true},
        {IGVM_PAGE_DATA, "PAGE_DATA", 24, 8, 0, true},
        {IGVM_PARAMETER_INSERT, "PARAMETER_INSERT", 16, 8, 0, true},
        {IGVM_VP_CONTEXT, "VP_CONTEXT", 20, 8, 0, true},
        {IGVM_REQUIRED_MEMORY, "REQUIRED_MEMORY", 24, 8, 0, true},
        {IGVM_VP_COUNT, "VP_COUNT_PARAMETER", 8, NO_MASK, 4, true},
        {IGVM_SRAT, "SRAT", 8, NO_MASK, 48, false}, /* ACPI tables: their fixed parts */
        {IGVM_MADT, "MADT", 8, NO_MASK, 44, false},
        {IGVM_MMIO_RANGES, "MMIO_RANGES", 8, NO_MASK, 32, false},
        {IGVM_SNP_ID_BLOCK, "SNP_ID_BLOCK", 696, 0, 0, true},
        {IGVM_MEMORY_MAP, "MEMORY_MAP", 8, NO_MASK, 24, true}, /* one entry */
        {IGVM_ERROR_RANGE, "ERROR_RANGE", 16, 8, 0, false},
        {IGVM_COMMAND_LINE, "COMMAND_LINE", 8, NO_MASK, 1, false},
        {IGVM_SLIT, "SLIT", 8, NO_MASK, 44, false},
        {IGVM_PPTT, "PPTT", 8, NO_MASK, 36, false},
        {IGVM_VBS_MEASUREMENT, "VBS_MEASUREMENT", 864, 0, 0, false},
        {IGVM_DEVICE_TREE, "DEVICE_TREE", 8, NO_MASK, 40, false}, /* its header */
        {IGVM_ENVIRONMENT_INFO, "ENVIRONMENT_INFO_PARAMETER", 8, NO_MASK, 4, true},
};

/* ARRAY_SIZE(types): the type is unknown. */
static size_t igvm_header_find(uint32_t type)
{
        size_t i = 0;

        while (i < ARRAY_SIZE(types) && types[i].type != type)
                i++;
        return i;
}

const char *igvm_type_name(uint32_t type)
{
        size_t i = igvm_header_find(type & ~IGVM_OPTIONAL);

        return i < ARRAY_SIZE(types) ? types[i].name : NULL;
}

bool igvm_type_loads(uint32_t type)
{
        size_t i = igvm_header_find(type);

        return i < ARRAY_SIZE(types) && types[i].loads;
}

bool igvm_header_is_known(const IgvmHeader *header)
{
        return igvm_header_find(header->type) < ARRAY_SIZE(types);
}

bool igvm_header_mask(const IgvmHeader *header, uint32_t *ret)
{
        size_t i = igvm_header_find(header->type);

        if (i == ARRAY_SIZE(types) || types[i].mask == NO_MASK)
                return false;
        *ret = le32_get(header->body.data + types[i].mask);
        return true;
}

bool igvm_header_parameter(const IgvmHeader *header, uint32_t *ret)
{
        size_t i = igvm_header_find(header->type);

        if (i == ARRAY_SIZE(types) || !types[i].parameter)
                return false;
        *ret = le32_get(header->body.data);
        return true;
}

bool igvm_header_has_length(const IgvmHeader *header)
{
        size_t i = igvm_header_find(header->type);

        return i < ARRAY_SIZE(types) && header->body.size == types[i].size;
}

uint16_t igvm_header_parameter_size(const IgvmHeader *header)
{
        size_t i = igvm_header_find(header->type);

        return i < ARRAY_SIZE(types) ? types[i].parameter : 0;
}

unsigned igvm_header_section(uint32_t type)
{
        return type <= 0x100 ? 0 : type <= 0x200 ? 1 : 2;
}

int igvm_header_refuse(const IgvmHeader *header, const char *name, CvmError *error,
                       const char *reason)
{
        return cvm_error_artifact(error, name, "header %s (type 0x%x) at offset 0x%zx: %s",
                                  igvm_type_name(header->type) ?: "of an unknown type",
                                  header->type, header->offset, reason);
}
