/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/pe.h"

#include <string.h>

#include "measure/bytes.h"

#define PE_OFFSET 0x3c     /* of the DOS header's e_lfanew */
#define COFF_SIZE 24       /* signature and COFF file header */
#define CHECKSUM_OFFSET 64 /* of CheckSum in the optional header, PE32 and PE32+ alike */
#define SECTION_SIZE 40
#define DIRECTORY_CERTIFICATES 4

/* What the headers say, before sections. */
typedef struct PeHeaders {
        uint32_t optional;    /* offset of the optional header */
        uint32_t directories; /* offset of the data directories */
        uint32_t n_directories;
        uint32_t headers_size; /* SizeOfHeaders */
        uint32_t sections;     /* offset of the section table */
        uint16_t n_sections;
} PeHeaders;

static int pe_refuse(const char *name, CvmError *error, const char *reason)
{
        return cvm_error_artifact(error, name, "%s", reason);
}

static int parse_headers(Bytes file, const char *name, PeHeaders *ret, CvmError *error)
{
        PeHeaders h = {};
        uint32_t coff, optional_size, count_offset;
        uint16_t magic;

        if (file.size > UINT32_MAX)
                return pe_refuse(name, error, "larger than 4 GiB: not a PE image");
        if (file.size < PE_OFFSET + 4 || memcmp(file.data, "MZ", 2) != 0)
                return pe_refuse(
                        name, error,
                        "not a PE image: no MZ header (a kernel requires CONFIG_EFI_STUB)");
        coff = le32_get(file.data + PE_OFFSET);
        if (!bytes_contain(file, coff, COFF_SIZE) || memcmp(file.data + coff, "PE\0\0", 4) != 0)
                return pe_refuse(name, error,
                                 "not a PE image: no PE signature where its MZ header says");
        h.n_sections = le16_get(file.data + coff + 6);
        optional_size = le16_get(file.data + coff + 20);
        h.optional = coff + COFF_SIZE;
        if (!bytes_contain(file, h.optional, optional_size) || optional_size < 2)
                return pe_refuse(name, error, "its PE optional header lies outside the file");
        magic = le16_get(file.data + h.optional);
        if (magic != 0x10b && magic != 0x20b)
                return pe_refuse(name, error, "its PE optional header is neither PE32 nor PE32+");
        /* NumberOfRvaAndSizes stands before the directories: 92 in PE32, 108 in PE32+ */
        count_offset = magic == 0x10b ? 92 : 108;
        if (optional_size < count_offset + 4)
                return pe_refuse(name, error, "its PE optional header is truncated");
        h.headers_size = le32_get(file.data + h.optional + 60);
        h.n_directories = le32_get(file.data + h.optional + count_offset);
        h.directories = h.optional + count_offset + 4;
        if (h.n_directories > (optional_size - count_offset - 4) / 8)
                return pe_refuse(name, error,
                                 "its PE data directories do not fit its optional header");
        h.sections = h.optional + optional_size;
        if (h.n_sections > PE_SECTIONS_MAX)
                return pe_refuse(name, error, "more than 96 PE sections");
        if (!bytes_contain(file, h.sections, (uint64_t)h.n_sections * SECTION_SIZE))
                return pe_refuse(name, error, "its PE section table lies outside the file");
        if (h.headers_size > file.size || h.headers_size < h.sections)
                return pe_refuse(name, error, "its PE SizeOfHeaders does not fit the file");
        *ret = h;
        return 0;
}

static void add_range(PeImage *image, uint32_t from, uint32_t to)
{
        image->ranges[image->n_ranges++] = (PeRange){.offset = from, .size = to - from};
}

/* The headers in up to three pieces, around what signing changes. Returns the
 * certificates' size. */
static int add_headers(PeImage *image, const PeHeaders *h, const char *name,
                       uint32_t *ret_certificates, CvmError *error)
{
        uint32_t checksum = h->optional + CHECKSUM_OFFSET;
        uint32_t entry = h->directories + DIRECTORY_CERTIFICATES * 8;

        add_range(image, 0, checksum);
        if (h->n_directories <= DIRECTORY_CERTIFICATES) {
                add_range(image, checksum + 4, h->headers_size);
                *ret_certificates = 0;
                return 0;
        }
        add_range(image, checksum + 4, entry);
        add_range(image, entry + 8, h->headers_size);
        *ret_certificates = le32_get(image->file.data + entry + 4);
        if (*ret_certificates > image->file.size)
                return pe_refuse(name, error, "its PE certificate table is larger than the file");
        return 0;
}

/* Sorted by offset; of equal ones the first in the table comes first, as in edk2. */
static void insert_section(PeImage *image, size_t first, PeRange range)
{
        size_t i = image->n_ranges++;

        for (; i > first && image->ranges[i - 1].offset > range.offset; i--)
                image->ranges[i] = image->ranges[i - 1];
        image->ranges[i] = range;
}

int pe_parse(Bytes file, const char *name, PeImage *ret, CvmError *error)
{
        PeImage image = {.file = file};
        uint64_t hashed;
        uint32_t certificates;
        size_t first;
        PeHeaders h = {};
        int r;

        r = parse_headers(file, name, &h, error);
        if (r < 0)
                return r;
        r = add_headers(&image, &h, name, &certificates, error);
        if (r < 0)
                return r;
        hashed = h.headers_size;
        first = image.n_ranges;
        for (size_t i = 0; i < h.n_sections; i++) {
                const uint8_t *section = file.data + h.sections + i * SECTION_SIZE;
                PeRange range = {.offset = le32_get(section + 20), .size = le32_get(section + 16)};

                if (range.size == 0)
                        continue;
                if (!bytes_contain(file, range.offset, range.size))
                        return pe_refuse(name, error, "a PE section lies outside the file");
                insert_section(&image, first, range);
                hashed += range.size;
        }
        if (hashed + certificates > file.size)
                return pe_refuse(name, error, "its PE sections and certificates overlap");
        if (hashed + certificates < file.size)
                add_range(&image, (uint32_t)hashed, (uint32_t)(file.size - certificates));
        *ret = image;
        return 0;
}

int pe_hash(const PeImage *image, HashAlgorithm algorithm, HashDigest *ret)
{
        _cleanup_(hash_freep) Hash *hash = hash_new(algorithm);

        if (!hash)
                return -ENOMEM;
        for (size_t i = 0; i < image->n_ranges; i++)
                hash_update(hash, image->file.data + image->ranges[i].offset,
                            image->ranges[i].size);
        return hash_finish(hash, ret);
}
