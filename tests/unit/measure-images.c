/* SPDX-License-Identifier: Apache-2.0 */
#include "measure-images.h"

#include "test.h"

static const Guid footer =
        GUID(0x96b582de, 0x1fb2, 0x45f7, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d);
static const Guid sev_guid =
        GUID(0xdc886566, 0x984a, 0x4798, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc);
static const Guid tdx_guid =
        GUID(0xe47a6535, 0x984a, 0x4798, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2);
static const Guid hashes_guid =
        GUID(0x7255371f, 0x3a3b, 0x4b04, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54);
static const Guid reset_guid =
        GUID(0x00f771de, 0x1a7e, 0x4fcb, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e);

void image_done(Image *image)
{
        free(image->data);
        *image = (Image){};
}

static Image image_new(size_t size)
{
        Image image = {.data = malloc(size), .size = size};

        assert_non_null(image.data);
        for (size_t i = 0; i < size; i++)
                image.data[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + 5);
        return image;
}

/* Sections at 0x600 (0x300 bytes) and, first in the table, at 0xa00 (0x200): the gaps and the end
 * are in none. */
Image image_kernel(uint32_t directories, uint32_t certificates)
{
        Image image = image_new(0x1003 + certificates);
        uint8_t *p = image.data, *optional = p + IMAGE_KERNEL_PE + 24;
        uint8_t *section = optional + 112 + 8 * 16;

        memcpy(p, "MZ", 2);
        le32_put(p + 0x3c, IMAGE_KERNEL_PE);
        memcpy(p + IMAGE_KERNEL_PE, "PE\0\0", 4);
        le16_put(p + IMAGE_KERNEL_PE + 6, 3);
        le16_put(p + IMAGE_KERNEL_PE + 20, 112 + 8 * 16);
        le16_put(optional, 0x20b);
        le32_put(optional + 60, IMAGE_KERNEL_HEADERS);
        le32_put(optional + 108, directories);
        le32_put(optional + 112 + 4 * 8, certificates ? 0x1003 : 0);
        le32_put(optional + 112 + 4 * 8 + 4, certificates);
        le32_put(section + 16, 0x200);
        le32_put(section + 20, 0xa00);
        le32_put(section + 40 + 16, 0); /* an empty one */
        le32_put(section + 40 + 20, 0xffffffff);
        le32_put(section + 80 + 16, 0x300);
        le32_put(section + 80 + 20, 0x600);
        /* Linux boot protocol 2.15, one setup sector */
        p[0x1f1] = 1;
        le32_put(p + 0x1f4, 0x20);
        le16_put(p + 0x1fe, 0xaa55);
        memcpy(p + 0x202, "HdrS", 4);
        le16_put(p + 0x206, 0x20f);
        p[0x211] = 1;
        le32_put(p + 0x22c, 0x7fffffff);
        le16_put(p + 0x236, 2);
        le32_put(p + 0x248, IMAGE_KERNEL_PAYLOAD - 0x400);
        le32_put(p + 0x24c, IMAGE_KERNEL_PAYLOAD_SIZE);
        image_kernel_stub(&image, IMAGE_KERNEL_STUB, true, true, true);
        return image;
}

void image_kernel_stub(const Image *image, size_t offset, bool options, bool tcg2, bool cc)
{
        static const Guid guids[] = {
                GUID(0x607f766c, 0x7455, 0x42be, 0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f),
                GUID(0x96751a3d, 0x72f4, 0x41a6, 0xa7, 0x94, 0xed, 0x5d, 0x0e, 0x67, 0xae, 0x6b)};
        static const char initrd[] = "Linux initrd", loaded[] = "LOADED_IMAGE::LoadOptions";
        uint8_t *p = image->data + offset;

        memset(p, 0x90, IMAGE_KERNEL_STUB_SIZE);
        memcpy(p, initrd, sizeof(initrd));
        if (options)
                memcpy(p + 0x20, loaded, sizeof(loaded));
        /* as immediates of two movabs, with what stores the first between them */
        for (size_t i = 0; i < 2; i++)
                for (size_t half = 0; half < 2 && (i ? cc : tcg2); half++)
                        memcpy(p + 0x42 + 0x20 * i + 14 * half, guids[i].bytes + 8 * half, 8);
}

/* Writes an entry that ends at `end`; returns where it begins. */
static uint8_t *put_entry(uint8_t *end, uint32_t value, const Guid *guid)
{
        memcpy(end - GUID_SIZE, guid->bytes, GUID_SIZE);
        le16_put(end - GUID_SIZE - 2, 4 + 2 + GUID_SIZE);
        le32_put(end - GUID_SIZE - 6, value);
        return end - GUID_SIZE - 6;
}

static void put_sev(uint8_t *p, const ImageOvmf *ovmf)
{
        memcpy(p, "ASEV", 4);
        le32_put(p + 4, (uint32_t)(16 + 12 * ovmf->n_sev));
        le32_put(p + 8, 1);
        le32_put(p + 12, (uint32_t)ovmf->n_sev);
        for (size_t i = 0; i < ovmf->n_sev; i++)
                for (size_t j = 0; j < 3; j++)
                        le32_put(p + 16 + 12 * i + 4 * j, ovmf->sev[i][j]);
}

static void put_tdx(uint8_t *p, const ImageOvmf *ovmf)
{
        memcpy(p, "TDVF", 4);
        le32_put(p + 4, (uint32_t)(16 + 32 * ovmf->n_tdx));
        le32_put(p + 8, 1);
        le32_put(p + 12, (uint32_t)ovmf->n_tdx);
        for (size_t i = 0; i < ovmf->n_tdx; i++) {
                uint8_t *section = p + 16 + 32 * i;

                le32_put(section, (uint32_t)ovmf->tdx[i][0]);
                le32_put(section + 4, (uint32_t)ovmf->tdx[i][1]);
                le64_put(section + 8, ovmf->tdx[i][2]);
                le64_put(section + 16, ovmf->tdx[i][3]);
                le32_put(section + 24, (uint32_t)ovmf->tdx[i][4]);
                le32_put(section + 28, (uint32_t)ovmf->tdx[i][5]);
        }
}

Image image_ovmf(const ImageOvmf *ovmf)
{
        Image image = image_new(ovmf->size);
        uint8_t *end = image.data + image.size - 32, *p = end - GUID_SIZE - 2;

        if (ovmf->reset_eip)
                p = put_entry(p, ovmf->reset_eip, &reset_guid);
        if (ovmf->hashes_gpa)
                p = put_entry(p, ovmf->hashes_gpa, &hashes_guid);
        if (ovmf->sev) {
                p = put_entry(p, 0x800, &sev_guid);
                put_sev(image.data + image.size - 0x800, ovmf);
        }
        if (ovmf->tdx) {
                p = put_entry(p, 0x600, &tdx_guid);
                put_tdx(image.data + image.size - 0x600, ovmf);
        }
        memcpy(end - GUID_SIZE, footer.bytes, GUID_SIZE);
        le16_put(end - GUID_SIZE - 2, (uint16_t)(end - p));
        return image;
}

void image_igvm_header(ImageIgvm *igvm, uint32_t type, const void *body, uint32_t size)
{
        static const uint8_t zeros[8];
        uint8_t head[8];

        le32_put(head, type);
        le32_put(head + 4, size);
        assert_int_equal(buffer_append(&igvm->headers, head, 8), 0);
        assert_int_equal(buffer_append(&igvm->headers, body, size), 0);
        assert_int_equal(buffer_append(&igvm->headers, zeros, -size & 7), 0);
}

void image_igvm_platform(ImageIgvm *igvm, uint32_t mask, uint8_t vtl, uint8_t type)
{
        uint8_t body[16] = {[4] = vtl, [5] = type, [6] = 1};

        le32_put(body, mask);
        image_igvm_header(igvm, 0x1, body, sizeof(body));
}

void image_igvm_policy(ImageIgvm *igvm, uint32_t mask, uint64_t policy)
{
        uint8_t body[16] = {};

        le64_put(body, policy);
        le32_put(body + 8, mask);
        image_igvm_header(igvm, 0x101, body, sizeof(body));
}

static uint32_t add_data(ImageIgvm *igvm, const void *data, size_t size)
{
        uint32_t offset = IMAGE_IGVM_DATA + (uint32_t)igvm->data.size;

        assert_int_equal(buffer_append(&igvm->data, data, size), 0);
        return offset;
}

void image_igvm_page(ImageIgvm *igvm, uint32_t mask, uint64_t gpa, int fill, uint32_t flags,
                     uint16_t type)
{
        size_t size = flags & 1 ? 2u << 20 : 4096;
        uint8_t body[24] = {};

        if (fill >= 0) {
                _cleanup_free_ uint8_t *page = malloc(size);

                assert_non_null(page);
                memset(page, fill, size);
                le32_put(body + 12, add_data(igvm, page, size));
        }
        le64_put(body, gpa);
        le32_put(body + 8, mask);
        le32_put(body + 16, flags);
        le16_put(body + 20, type);
        image_igvm_header(igvm, 0x302, body, sizeof(body));
}

void image_igvm_area(ImageIgvm *igvm, uint32_t index, uint64_t size)
{
        uint8_t body[16] = {};

        le64_put(body, size);
        le32_put(body + 8, index);
        image_igvm_header(igvm, 0x301, body, sizeof(body));
}

void image_igvm_parameter(ImageIgvm *igvm, uint32_t type, uint32_t index, uint32_t offset)
{
        uint8_t body[8];

        le32_put(body, index);
        le32_put(body + 4, offset);
        image_igvm_header(igvm, type, body, sizeof(body));
}

void image_igvm_insert(ImageIgvm *igvm, uint32_t mask, uint64_t gpa, uint32_t index)
{
        uint8_t body[16] = {};

        le64_put(body, gpa);
        le32_put(body + 8, mask);
        le32_put(body + 12, index);
        image_igvm_header(igvm, 0x303, body, sizeof(body));
}

void image_igvm_vp(ImageIgvm *igvm, uint32_t mask, uint64_t gpa, uint16_t index,
                   const uint8_t *page)
{
        uint8_t body[20] = {};

        le64_put(body, gpa);
        le32_put(body + 8, mask);
        le32_put(body + 12, add_data(igvm, page, 4096));
        le16_put(body + 16, index);
        image_igvm_header(igvm, 0x304, body, sizeof(body));
}

void image_vmsa(uint8_t ret[static 4096])
{
        static const struct {
                uint16_t selector, attributes;
                uint32_t limit;
        } segments[] = {{0x10, 0xc93, 0xffffffff},
                        {8, 0xc9b, 0xffffffff},
                        {0x10, 0xc93, 0xffffffff},
                        {0x10, 0xc93, 0xffffffff},
                        {0x10, 0xc93, 0xffffffff},
                        {0x10, 0xc93, 0xffffffff},
                        {0, 0, 0xffff},
                        {0, 0x82, 0xffff},
                        {0, 0, 0xffff},
                        {0, 0x8b, 0xffff}};
        static const struct {
                uint16_t offset;
                uint64_t value;
        } registers[] = {
                {0xd0, 0x1000},      {0x148, 0x40}, {0x158, 0x31},    {0x160, 0x400},
                {0x168, 0xffff0ff0}, {0x170, 2},    {0x178, 0x10000}, {0x268, 0x7040600070406},
                {0x3b0, 1},          {0x3e8, 1},    {0x408, 0x1f80},  {0x410, 0x37f}};

        memset(ret, 0, 4096);
        for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
                le16_put(ret + 16 * i, segments[i].selector);
                le16_put(ret + 16 * i + 2, segments[i].attributes);
                le32_put(ret + 16 * i + 4, segments[i].limit);
        }
        for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
                le64_put(ret + registers[i].offset, registers[i].value);
}

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < size * 8; i++) {
                uint32_t bit = (data[i / 8] >> i % 8 ^ crc) & 1;

                crc = crc >> 1 ^ (bit ? 0xedb88320 : 0);
        }
        return ~crc;
}

void image_igvm_seal(Image *file)
{
        uint32_t offset = le32_get(file->data + 8), size = le32_get(file->data + 12);

        le32_put(file->data + 20, 0);
        le32_put(file->data + 20, crc32_of(file->data, offset + size));
}

Image image_igvm_finish(ImageIgvm *igvm, uint32_t version)
{
        size_t fixed = version == 1 ? 24 : 32;
        Image file = {.size = IMAGE_IGVM_DATA + igvm->data.size};

        assert_true(fixed + igvm->headers.size <= IMAGE_IGVM_DATA);
        file.data = calloc(1, file.size);
        assert_non_null(file.data);
        memcpy(file.data, "IGVM", 4);
        le32_put(file.data + 4, version);
        le32_put(file.data + 8, (uint32_t)fixed);
        le32_put(file.data + 12, (uint32_t)igvm->headers.size);
        le32_put(file.data + 16, (uint32_t)file.size);
        if (version == 2)
                le32_put(file.data + 28, 4096);
        memcpy(file.data + fixed, igvm->headers.data, igvm->headers.size);
        if (igvm->data.size)
                memcpy(file.data + IMAGE_IGVM_DATA, igvm->data.data, igvm->data.size);
        image_igvm_seal(&file);
        buffer_done(&igvm->headers);
        buffer_done(&igvm->data);
        return file;
}
