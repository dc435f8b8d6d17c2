/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/tdvf.h"

#include <string.h>

#include "measure/bytes.h"
#include "measure/ovmf.h"

#define DESCRIPTOR_SIZE 16 /* "TDVF", u32 length, u32 version, u32 sections */
#define ENTRY_SIZE 32
#define OPERATION_SIZE 128 /* what the TDX module hashes for an operation */
#define CHUNK_SIZE 256     /* bytes of one TDH.MR.EXTEND */

static const Guid tdx_metadata_guid =
        GUID(0xe47a6535, 0x984a, 0x4798, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2);

/* "BFV"; "section" if it is unknown */
static const char *tdvf_section_name(uint32_t type)
{
        static const char *const names[] = {
                "BFV",    "CFV", "TD HOB", "TempMem", "PermMem", "payload", "payload parameter",
                "TD info"};

        return type < ARRAY_SIZE(names) ? names[type] : "section";
}

static const char *tdvf_check_section(const Tdvf *tdvf, const TdvfSection *section, uint64_t *total)
{
        if (section->gpa % TDVF_PAGE_SIZE || section->size % TDVF_PAGE_SIZE)
                return "the size of a section of its TDX metadata is not a multiple of the page "
                       "size";
        if (section->size > TDVF_MEMORY_MAX || section->gpa > UINT64_MAX - section->size)
                return "a section of its TDX metadata is too large";
        *total += section->size;
        if (*total > TDVF_MEMORY_MAX)
                return "the sections of its TDX metadata are too large";
        if (section->data.size > section->size)
                return "a section of its TDX metadata has more data than memory";
        for (size_t i = 0; i < tdvf->n_sections; i++)
                if (section->gpa < tdvf->sections[i].gpa + tdvf->sections[i].size &&
                    tdvf->sections[i].gpa < section->gpa + section->size)
                        return "sections of its TDX metadata overlap";
        return NULL;
}

static const char *parse_section(Bytes file, const uint8_t *p, TdvfSection *ret)
{
        uint32_t offset = le32_get(p), size = le32_get(p + 4);

        if (size && !bytes_contain(file, offset, size))
                return "a section of its TDX metadata lies outside the file";
        *ret = (TdvfSection){
                .data = {size ? file.data + offset : NULL, size},
                .gpa = le64_get(p + 8),
                .size = le64_get(p + 16),
                .type = le32_get(p + 24),
                .attributes = le32_get(p + 28),
        };
        return NULL;
}

static const char *tdvf_parse_sections(Bytes file, size_t offset, Tdvf *tdvf)
{
        uint32_t n = le32_get(file.data + offset + 12), length = le32_get(file.data + offset + 4);
        uint64_t total = 0;

        if (le32_get(file.data + offset + 8) != 1)
                return "its TDX metadata is of an unknown version";
        if (n == 0 || n > TDVF_SECTIONS_MAX)
                return "its TDX metadata has no sections, or more than 64";
        if (length < DESCRIPTOR_SIZE + n * ENTRY_SIZE || !bytes_contain(file, offset, length))
                return "its TDX metadata is truncated";
        for (size_t i = 0; i < n; i++) {
                TdvfSection section;
                const char *reason = parse_section(
                        file, file.data + offset + DESCRIPTOR_SIZE + i * ENTRY_SIZE, &section);

                if (!reason)
                        reason = tdvf_check_section(tdvf, &section, &total);
                if (reason)
                        return reason;
                tdvf->sections[tdvf->n_sections++] = section;
        }
        return NULL;
}

int tdvf_parse(Bytes file, const char *name, Tdvf *ret, CvmError *error)
{
        const char *reason;
        Tdvf tdvf = {};
        OvmfEntry entry;
        size_t offset;
        int r;

        r = ovmf_find(file, name, &tdx_metadata_guid, &entry, error);
        if (r < 0)
                return r;
        if (!entry.found)
                return cvm_error_artifact(error, name,
                                          "no TDX metadata: not an OVMF build that TDX can start");
        r = ovmf_metadata(file, name, &entry, "TDVF", DESCRIPTOR_SIZE, &offset, error);
        if (r < 0)
                return r;
        reason = tdvf_parse_sections(file, offset, &tdvf);
        if (reason)
                return cvm_error_artifact(error, name, "%s", reason);
        *ret = tdvf;
        return 0;
}

static void tdvf_add_page(Hash *hash, const TdvfSection *section, uint64_t at)
{
        uint8_t operation[OPERATION_SIZE] = "MEM.PAGE.ADD";

        if (section->attributes & TDVF_PAGE_AUG)
                return;
        le64_put(operation + 16, section->gpa + at);
        hash_update(hash, operation, sizeof(operation));
}

static void extend_page(Hash *hash, const TdvfSection *section, uint64_t at)
{
        uint8_t stream[OPERATION_SIZE + CHUNK_SIZE] = "MR.EXTEND";

        if (!(section->attributes & TDVF_MR_EXTEND))
                return;
        for (uint64_t from = at; from < at + TDVF_PAGE_SIZE; from += CHUNK_SIZE) {
                size_t left = from < section->data.size ? section->data.size - from : 0;
                size_t n = left < CHUNK_SIZE ? left : CHUNK_SIZE;

                le64_put(stream + 16, section->gpa + from);
                memset(stream + OPERATION_SIZE, 0, CHUNK_SIZE);
                if (n)
                        memcpy(stream + OPERATION_SIZE, section->data.data + from, n);
                hash_update(hash, stream, sizeof(stream));
        }
}

static void measure_section(Hash *hash, const TdvfSection *section, ProfileMrtd order)
{
        for (uint64_t at = 0; at < section->size; at += TDVF_PAGE_SIZE) {
                tdvf_add_page(hash, section, at);
                if (order == PROFILE_MRTD_PAGE)
                        extend_page(hash, section, at);
        }
        if (order == PROFILE_MRTD_SECTION)
                for (uint64_t at = 0; at < section->size; at += TDVF_PAGE_SIZE)
                        extend_page(hash, section, at);
}

static int note_section(Register *reg, const TdvfSection *section)
{
        return register_made_from(
                reg, INPUT_FIRMWARE,
                register_note(reg, NULL, "%s: %llu pages at 0x%llx%s%s",
                              tdvf_section_name(section->type),
                              (unsigned long long)(section->size / TDVF_PAGE_SIZE),
                              (unsigned long long)section->gpa,
                              section->attributes & TDVF_PAGE_AUG ? ", not added" : ", added",
                              section->attributes & TDVF_MR_EXTEND ? ", extended" : ""));
}

int tdvf_measure(const Tdvf *tdvf, ProfileMrtd order, Register *reg)
{
        _cleanup_(hash_freep) Hash *hash = hash_new(HASH_SHA384);
        int r = 0;

        if (!hash)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && i < tdvf->n_sections; i++) {
                measure_section(hash, &tdvf->sections[i], order);
                r = note_section(reg, &tdvf->sections[i]);
        }
        return r < 0 ? r : hash_finish(hash, &reg->value);
}
