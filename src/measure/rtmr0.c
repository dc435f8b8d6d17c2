/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/rtmr0.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "measure/bytes.h"
#include "measure/guid.h"

#define HOB_HANDOFF 1
#define HOB_RESOURCE 3
#define HOB_HANDOFF_SIZE 56
#define HOB_RESOURCE_SIZE 48
#define RESOURCE_MEMORY 0              /* accepted before the firmware runs */
#define RESOURCE_UNACCEPTED 7          /* the firmware accepts it */
#define RESOURCE_ATTRIBUTES 7          /* present, initialized, tested */
#define LOW_MEMORY_SPLIT 0xb0000000ull /* q35, as in kernel_setup.c */
#define LOW_MEMORY 0x80000000ull
#define FOUR_GIB 0x100000000ull

static const Guid global_guid =
        GUID(0x8be4df61, 0x93ca, 0x11d2, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c);
static const Guid security_guid =
        GUID(0xd719b2cb, 0x3d3a, 0x4596, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f);

/* EFI_LOAD_OPTION of the firmware's own menu, "UiApp": attributes, length of its device path, name,
 * path (firmware volume, file). */
static const uint8_t boot_option[] = {
        0x09, 0x01, 0x00, 0x00, 0x2c, 0x00, 'U',  0x00, 'i',  0x00, 'A',  0x00, 'p',
        0x00, 'p',  0x00, 0x00, 0x00, 0x04, 0x07, 0x14, 0x00, 0xc9, 0xbd, 0xb8, 0x7c,
        0xeb, 0xf8, 0x34, 0x4f, 0xaa, 0xea, 0x3e, 0xe4, 0xaf, 0x65, 0x16, 0xa1, 0x04,
        0x06, 0x14, 0x00, 0x21, 0xaa, 0x2c, 0x46, 0x14, 0x76, 0x03, 0x45, 0x83, 0x6e,
        0x8a, 0xb6, 0xf4, 0x66, 0x23, 0x31, 0x7f, 0xff, 0x04, 0x00};

static int put_resource(Buffer *hob, uint8_t type, uint64_t from, uint64_t to)
{
        uint8_t block[HOB_RESOURCE_SIZE] = {};

        le16_put(block, HOB_RESOURCE);
        le16_put(block + 2, sizeof(block));
        block[24] = type;
        le32_put(block + 28, RESOURCE_ATTRIBUTES);
        le64_put(block + 32, from);
        le64_put(block + 40, to - from);
        return buffer_append(hob, block, sizeof(block));
}

/* The section of memory that is there at the start with the lowest address from `from` on. */
static const TdvfSection *next_accepted(const Tdvf *tdvf, uint64_t from)
{
        const TdvfSection *next = NULL;

        for (size_t i = 0; i < tdvf->n_sections; i++) {
                const TdvfSection *section = &tdvf->sections[i];

                if ((section->type == TDVF_TD_HOB || section->type == TDVF_TEMP_MEM) &&
                    section->size && section->gpa >= from && (!next || section->gpa < next->gpa))
                        next = section;
        }
        return next;
}

static int put_memory(Buffer *hob, const Tdvf *tdvf, uint64_t memory)
{
        uint64_t low = memory >= LOW_MEMORY_SPLIT ? LOW_MEMORY : memory, at = 0;
        const TdvfSection *section;
        int r = 0;

        while (r == 0 && (section = next_accepted(tdvf, at)) &&
               section->gpa + section->size <= low) {
                if (section->gpa > at)
                        r = put_resource(hob, RESOURCE_UNACCEPTED, at, section->gpa);
                at = section->gpa + section->size;
                if (r == 0)
                        r = put_resource(hob, RESOURCE_MEMORY, section->gpa, at);
        }
        if (r == 0)
                r = put_resource(hob, RESOURCE_UNACCEPTED, at, low);
        if (r == 0 && memory > low)
                r = put_resource(hob, RESOURCE_UNACCEPTED, FOUR_GIB, FOUR_GIB + memory - low);
        return r;
}

static const TdvfSection *find_section(const Tdvf *tdvf, TdvfSectionType type)
{
        for (size_t i = 0; i < tdvf->n_sections; i++)
                if (tdvf->sections[i].type == type)
                        return &tdvf->sections[i];
        return NULL;
}

static int extend_hob(const Tdvf *tdvf, uint64_t memory, Register *reg)
{
        _cleanup_(buffer_done) Buffer hob = {};
        uint8_t handoff[HOB_HANDOFF_SIZE] = {};
        int r;

        le16_put(handoff, HOB_HANDOFF);
        le16_put(handoff + 2, sizeof(handoff));
        le32_put(handoff + 8, 9); /* version */
        r = buffer_append(&hob, handoff, sizeof(handoff));
        if (r == 0)
                r = put_memory(&hob, tdvf, memory);
        if (r < 0)
                return r;
        /* it ends with a block of 8 bytes that is not measured */
        le64_put((uint8_t *)hob.data + 48, find_section(tdvf, TDVF_TD_HOB)->gpa + hob.size + 8);
        return register_made_from(
                reg, INPUT_FIRMWARE | INPUT_MEMORY,
                register_extend_bytes(reg, hob.data, hob.size, "TD hand-off block"));
}

/* UEFI_VARIABLE_DATA of a variable without a value. */
static int extend_variable(Register *reg, const Guid *guid, const char *name)
{
        uint8_t data[GUID_SIZE + 16 + 2 * 16] = {};
        _cleanup_free_ char *what = NULL;
        size_t n = strlen(name);

        what = text_format("variable %s, empty", name);
        if (!what)
                return -ENOMEM;
        memcpy(data, guid->bytes, GUID_SIZE);
        le64_put(data + GUID_SIZE, n);
        for (size_t i = 0; i < n; i++)
                data[GUID_SIZE + 16 + 2 * i] = (uint8_t)name[i];
        return register_extend_bytes(reg, data, GUID_SIZE + 16 + 2 * n, what);
}

static int extend_variables(Register *reg)
{
        static const struct {
                const Guid *guid;
                const char *name;
        } variables[] = {{&global_guid, "SecureBoot"},
                         {&global_guid, "PK"},
                         {&global_guid, "KEK"},
                         {&security_guid, "db"},
                         {&security_guid, "dbx"}};
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(variables); i++)
                r = extend_variable(reg, variables[i].guid, variables[i].name);
        return r;
}

/* Whether the volume's variable store is as after erasing (UEFI PI volume 3,
 * EFI_FIRMWARE_VOLUME_HEADER: u16 header length at 48; edk2 VARIABLE_STORE_HEADER: 28 bytes, u32
 * size at 16). */
static bool has_no_variables(Bytes volume)
{
        size_t header, size;

        if (volume.size < 52)
                return false;
        header = le16_get(volume.data + 48);
        if (!bytes_contain(volume, header, 28))
                return false;
        size = le32_get(volume.data + header + 16);
        if (size < 28 || !bytes_contain(volume, header, size))
                return false;
        for (size_t i = header + 28; i < header + size; i++)
                if (volume.data[i] != 0xff)
                        return false;
        return true;
}

static const char *why_not(const Tdvf *tdvf, const Profile *profile)
{
        const TdvfSection *cfv = find_section(tdvf, TDVF_CFV);

        if (profile->edk2 < RTMR0_EDK2_FIRST || profile->edk2 > RTMR0_EDK2_LAST)
                return "the firmware's events are known only for edk2-stable202408 to 202502 "
                       "(--profile edk2=202502)";
        if (!cfv || !find_section(tdvf, TDVF_TD_HOB))
                return "the firmware has no variable store or no TD hand-off block";
        if (!has_no_variables(cfv->data))
                return "variables are set in the firmware (Secure Boot keys?), whose events are "
                       "unknown";
        if (profile->boot.value != PROFILE_BOOT_MENU)
                return "it depends on the firmware's boot options, which it creates from all "
                       "bootable devices; if it has no option except its own menu, say so "
                       "(--profile boot=menu)";
        return NULL;
}

static int extend_acpi(const AcpiFiles *acpi, Register *reg)
{
        const struct {
                Bytes bytes;
                const char *name;
                RegisterInput input;
        } files[] = {
                {acpi->loader, "etc/table-loader", INPUT_ACPI_LOADER},
                {acpi->rsdp, "etc/acpi/rsdp", INPUT_ACPI_RSDP},
                {acpi->tables, "etc/acpi/tables", INPUT_ACPI_TABLES},
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++)
                r = register_made_from(reg, files[i].input,
                                       register_extend_bytes(reg, files[i].bytes.data,
                                                             files[i].bytes.size, files[i].name));
        return r;
}

int rtmr0_measure(const Tdvf *tdvf, const Profile *profile, const AcpiFiles *acpi, uint64_t memory,
                  Register *reg)
{
        const char *reason = why_not(tdvf, profile);
        const TdvfSection *cfv;
        int r;

        if (reason)
                return register_no_value(reg, MEASUREMENT_NOT_PREDICTABLE, "%s", reason);
        cfv = find_section(tdvf, TDVF_CFV);
        r = extend_hob(tdvf, memory, reg);
        if (r == 0)
                r = register_made_from(reg, INPUT_FIRMWARE,
                                       register_extend_bytes(reg, cfv->data.data, cfv->data.size,
                                                             "configuration volume"));
        if (r == 0)
                r = extend_variables(reg);
        if (r == 0)
                r = register_extend_bytes(reg, "\0\0\0\0", 4, "separator");
        if (r == 0)
                r = extend_acpi(acpi, reg);
        if (r == 0)
                r = register_extend_bytes(reg, "\0\0", 2, "variable BootOrder");
        if (r == 0)
                r = register_extend_bytes(reg, boot_option, sizeof(boot_option),
                                          "variable Boot0000");
        return r;
}
