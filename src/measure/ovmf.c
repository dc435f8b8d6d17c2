/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/ovmf.h"

#include <string.h>

#include "measure/bytes.h"

#define FOOTER_FROM_END 32 /* bytes between the table and the end: the reset vector */
#define ENTRY_TAIL                                                                                 \
        (2 + GUID_SIZE) /* u16 length of the entry with this tail, GUID; data stand before */
#define HASH_ENTRY_SIZE (GUID_SIZE + 2 + SHA256_SIZE)
#define HASH_TABLE_SIZE (GUID_SIZE + 2 + 3 * HASH_ENTRY_SIZE)
#define HASH_TABLE_PADDED 176 /* to a multiple of 16 */

static const Guid footer_guid =
        GUID(0x96b582de, 0x1fb2, 0x45f7, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d);
static const Guid sev_metadata_guid =
        GUID(0xdc886566, 0x984a, 0x4798, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc);
static const Guid hashes_guid =
        GUID(0x7255371f, 0x3a3b, 0x4b04, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54);
static const Guid reset_guid =
        GUID(0x00f771de, 0x1a7e, 0x4fcb, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e);
static const Guid hash_table_guid =
        GUID(0x9438d606, 0x4f22, 0x4cc9, 0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21);
static const Guid hash_cmdline_guid =
        GUID(0x97d02dd8, 0xbd20, 0x4c94, 0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a);
static const Guid hash_initrd_guid =
        GUID(0x44baf731, 0x3a2f, 0x4bd7, 0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d);
static const Guid hash_kernel_guid =
        GUID(0x4de79437, 0xabd2, 0x427f, 0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b);

int ovmf_find(Bytes file, const char *name, const Guid *guid, OvmfEntry *ret, CvmError *error)
{
        size_t end, left;

        if (file.size < FOOTER_FROM_END + ENTRY_TAIL)
                return cvm_error_artifact(error, name, "too short for an OVMF image");
        end = file.size - FOOTER_FROM_END;
        if (memcmp(file.data + end - GUID_SIZE, footer_guid.bytes, GUID_SIZE) != 0)
                return cvm_error_artifact(
                        error, name,
                        "not an OVMF image: no table of GUIDs before its reset vector");
        left = le16_get(file.data + end - ENTRY_TAIL);
        if (left < ENTRY_TAIL || left > end)
                return cvm_error_artifact(error, name, "its table of GUIDs lies outside the file");
        end -= ENTRY_TAIL;
        left -= ENTRY_TAIL;
        while (left > 0) {
                size_t size;

                if (left < ENTRY_TAIL)
                        return cvm_error_artifact(error, name, "its table of GUIDs is malformed");
                size = le16_get(file.data + end - ENTRY_TAIL);
                if (size < ENTRY_TAIL || size > left)
                        return cvm_error_artifact(error, name, "its table of GUIDs is malformed");
                if (memcmp(file.data + end - GUID_SIZE, guid->bytes, GUID_SIZE) == 0) {
                        *ret = (OvmfEntry){
                                .found = true,
                                .data = {file.data + end - size, size - ENTRY_TAIL},
                        };
                        return 0;
                }
                end -= size;
                left -= size;
        }
        *ret = (OvmfEntry){};
        return 0;
}

int ovmf_metadata(Bytes file, const char *name, const OvmfEntry *entry, const char *signature,
                  size_t size, size_t *ret_offset, CvmError *error)
{
        uint32_t distance;

        if (entry->data.size < 4)
                return cvm_error_artifact(error, name, "its entry for %s metadata is too short",
                                          signature);
        distance = le32_get(entry->data.data);
        if (distance > file.size || distance < size)
                return cvm_error_artifact(error, name, "its %s metadata lies outside the file",
                                          signature);
        if (memcmp(file.data + file.size - distance, signature, 4) != 0)
                return cvm_error_artifact(error, name,
                                          "its %s metadata is not where the table says", signature);
        *ret_offset = file.size - distance;
        return 0;
}

/* An entry of a u32; 0 if there is none. */
static int find_u32(Bytes file, const char *name, const Guid *guid, uint32_t *ret, CvmError *error)
{
        OvmfEntry entry;
        int r;

        r = ovmf_find(file, name, guid, &entry, error);
        if (r < 0)
                return r;
        if (entry.found && entry.data.size < 4)
                return cvm_error_artifact(error, name,
                                          "an entry of its table of GUIDs is too short");
        *ret = entry.found ? le32_get(entry.data.data) : 0;
        return 0;
}

static const char *ovmf_check_section(const OvmfSev *sev, const OvmfSection *section,
                                      uint64_t *total)
{
        uint64_t end = (uint64_t)section->gpa + section->size;

        if (section->gpa % OVMF_PAGE_SIZE || section->size % OVMF_PAGE_SIZE || section->size == 0)
                return "the size of a section of its SEV metadata is not a multiple of the page "
                       "size";
        switch (section->type) {
        case OVMF_SECTION_SEC_MEMORY:
        case OVMF_SECTION_SVSM_CAA:
                break;
        case OVMF_SECTION_SECRETS:
        case OVMF_SECTION_CPUID:
        case OVMF_SECTION_KERNEL_HASHES:
                if (section->size != OVMF_PAGE_SIZE)
                        return "a section of its SEV metadata is larger than its one page";
                break;
        default:
                return "a section of its SEV metadata is of an unknown type";
        }
        if (end > UINT32_MAX)
                return "a section of its SEV metadata ends above 4 GiB";
        *total += section->size;
        if (*total > OVMF_MEMORY_MAX)
                return "the sections of its SEV metadata are too large";
        for (size_t i = 0; i < sev->n_sections; i++)
                if (section->gpa < (uint64_t)sev->sections[i].gpa + sev->sections[i].size &&
                    sev->sections[i].gpa < end)
                        return "sections of its SEV metadata overlap";
        return NULL;
}

static int ovmf_parse_sections(Bytes file, const char *name, size_t offset, OvmfSev *sev,
                               CvmError *error)
{
        uint32_t size = le32_get(file.data + offset + 4);
        uint32_t n = le32_get(file.data + offset + 12);
        uint64_t total = 0;

        if (le32_get(file.data + offset + 8) != 1)
                return cvm_error_artifact(error, name, "its SEV metadata is of an unknown version");
        if (n > OVMF_SECTIONS_MAX)
                return cvm_error_artifact(error, name,
                                          "its SEV metadata has %u sections, more than %d", n,
                                          OVMF_SECTIONS_MAX);
        if (size < 16 + 12 * (uint64_t)n || !bytes_contain(file, offset, size))
                return cvm_error_artifact(error, name, "its SEV metadata is truncated");
        for (size_t i = 0; i < n; i++) {
                const uint8_t *p = file.data + offset + 16 + 12 * i;
                OvmfSection section = {le32_get(p), le32_get(p + 4), le32_get(p + 8)};
                const char *reason = ovmf_check_section(sev, &section, &total);

                if (reason)
                        return cvm_error_artifact(error, name, "%s", reason);
                sev->sections[sev->n_sections++] = section;
        }
        return 0;
}

int ovmf_find_sev(Bytes file, const char *name, OvmfSev *ret, CvmError *error)
{
        OvmfSev sev = {};
        int r;

        r = find_u32(file, name, &reset_guid, &sev.reset_eip, error);
        if (r == 0)
                r = find_u32(file, name, &hashes_guid, &sev.hashes_gpa, error);
        if (r == 0)
                *ret = sev;
        return r;
}

int ovmf_parse_sev(Bytes file, const char *name, OvmfSev *ret, CvmError *error)
{
        OvmfSev sev;
        OvmfEntry entry;
        size_t offset;
        int r;

        r = ovmf_find_sev(file, name, &sev, error);
        if (r < 0)
                return r;
        r = ovmf_find(file, name, &sev_metadata_guid, &entry, error);
        if (r < 0)
                return r;
        if (!entry.found)
                return cvm_error_artifact(
                        error, name, "no SEV metadata: not an OVMF build that SEV-SNP can start");
        r = ovmf_metadata(file, name, &entry, "ASEV", 16, &offset, error);
        if (r < 0)
                return r;
        r = ovmf_parse_sections(file, name, offset, &sev, error);
        if (r == 0)
                *ret = sev;
        return r;
}

bool ovmf_takes_hashes(const OvmfSev *sev)
{
        for (size_t i = 0; i < sev->n_sections; i++)
                if (sev->sections[i].type == OVMF_SECTION_KERNEL_HASHES)
                        return sev->hashes_gpa >= sev->sections[i].gpa &&
                               sev->hashes_gpa % OVMF_PAGE_SIZE <=
                                       OVMF_PAGE_SIZE - HASH_TABLE_PADDED &&
                               sev->hashes_gpa - sev->sections[i].gpa < sev->sections[i].size;
        return false;
}

int ovmf_hash_kernel(const HashPairDigest *kernel, const HashPairDigest *initrd,
                     const char *cmdline, OvmfHashes *ret)
{
        OvmfHashes hashes = {.kernel = hash_pair_digest(kernel, HASH_SHA256)};
        int r;

        r = hash_bytes(HASH_SHA256, cmdline, strlen(cmdline) + 1, &hashes.cmdline);
        if (r == 0 && !initrd)
                r = hash_bytes(HASH_SHA256, "", 0, &hashes.initrd);
        else if (r == 0)
                hashes.initrd = hash_pair_digest(initrd, HASH_SHA256);
        if (r == 0)
                *ret = hashes;
        return r;
}

static uint8_t *put_guid(uint8_t *p, const Guid *guid, uint16_t size)
{
        memcpy(p, guid->bytes, GUID_SIZE);
        le16_put(p + GUID_SIZE, size);
        return p + GUID_SIZE + 2;
}

static uint8_t *put_hash(uint8_t *p, const Guid *guid, const HashDigest *digest)
{
        p = put_guid(p, guid, HASH_ENTRY_SIZE);
        memcpy(p, digest->bytes, SHA256_SIZE);
        return p + SHA256_SIZE;
}

int ovmf_hashes_page(uint32_t gpa, const OvmfHashes *hashes, uint8_t ret[static OVMF_PAGE_SIZE])
{
        uint32_t offset = gpa % OVMF_PAGE_SIZE;
        uint8_t *p = ret + offset;

        if (offset > OVMF_PAGE_SIZE - HASH_TABLE_PADDED)
                return -ERANGE;
        memset(ret, 0, OVMF_PAGE_SIZE);
        p = put_guid(p, &hash_table_guid, HASH_TABLE_SIZE);
        p = put_hash(p, &hash_cmdline_guid, &hashes->cmdline);
        p = put_hash(p, &hash_initrd_guid, &hashes->initrd);
        put_hash(p, &hash_kernel_guid, &hashes->kernel);
        return 0;
}
