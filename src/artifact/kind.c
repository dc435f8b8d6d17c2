/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/artifact.h"

#include <string.h>

static uint32_t le16(const uint8_t *p)
{
        return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
        return le16(p) | le16(p + 2) << 16;
}

/* Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
static const char *check_kernel(const uint8_t *data, uint64_t size)
{
        uint64_t setup_sectors;

        if (size < 0x264) /* end of the header of protocol 2.12 */
                return "too short for a bzImage";
        if (le16(data + 0x1fe) != 0xaa55 || memcmp(data + 0x202, "HdrS", 4) != 0)
                return "not a bzImage (no Linux boot header)";
        if (le16(data + 0x206) < 0x20c) /* the first with xloadflags: a 64-bit entry */
                return "a bzImage of a boot protocol before 2.12";
        if (!(data[0x211] & 1)) /* LOADED_HIGH */
                return "a zImage, not a bzImage";
        setup_sectors = data[0x1f1] ?: 4;
        if ((setup_sectors + 1) * 512 + (uint64_t)le32(data + 0x1f4) * 16 > size)
                return "truncated: shorter than its bzImage header says";
        return NULL;
}

/* What Linux unpacks: lib/decompress.c and init/initramfs.c. */
static const char *check_initramfs(const uint8_t *data, uint64_t size)
{
        static const struct {
                const char *bytes;
                size_t size;
        } magics[] = {
                {"070701", 6},   /* cpio newc */
                {"070702", 6},   /* cpio newc with checksums */
                {"\x1f\x8b", 2}, /* gzip */
                {"\xfd"
                 "7zXZ\0",
                 6},                     /* xz */
                {"\x28\xb5\x2f\xfd", 4}, /* zstd */
                {"\x02\x21\x4c\x18", 4}, /* lz4, the legacy frame */
                {"\x5d\0\0", 3},         /* lzma */
                {"BZh", 3},              /* bzip2 */
                {"\x89LZO\0\x0d\x0a\x1a\x0a", 9},
        };

        for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
                if (size > magics[i].size && memcmp(data, magics[i].bytes, magics[i].size) == 0)
                        return NULL;
        return "not an initramfs (neither cpio nor gzip, xz, zstd, lz4, lzma, bzip2, lzo)";
}

/* IGVM_FIXED_HEADER of the IGVM file format (crate igvm_defs): magic, version, offset and size of
 * the variable headers, size of the file, checksum. */
static const char *check_igvm(const uint8_t *data, uint64_t size)
{
        uint64_t offset, length;

        if (size < 24 || memcmp(data, "IGVM", 4) != 0)
                return "not an IGVM file";
        if (le32(data + 4) != 1 && le32(data + 4) != 2)
                return "an IGVM file of an unknown format version";
        if (le32(data + 16) != size)
                return "truncated or padded: its IGVM header tells another size";
        offset = le32(data + 8);
        length = le32(data + 12);
        if (offset < (le32(data + 4) == 1 ? 24 : 32) || offset + length > size)
                return "its IGVM header points outside the file";
        return NULL;
}

/* QEMU maps firmware below 4 GiB, page by page (hw/i386/x86.c); OVMF builds are 2 to 16 MiB. */
static const char *check_firmware(uint64_t size)
{
        if (size > ARTIFACT_FIRMWARE_SIZE_MAX)
                return "larger than 16 MiB: not a firmware image";
        if (size % 4096 != 0)
                return "not a whole number of 4 KiB pages: not a firmware image";
        return NULL;
}

const char *artifact_check_kind(SpecArtifactKind kind, const uint8_t *data, uint64_t size)
{
        if (size == 0)
                return "empty";
        switch (kind) {
        case ARTIFACT_KERNEL:
                return check_kernel(data, size);
        case ARTIFACT_INITRAMFS:
                return check_initramfs(data, size);
        case ARTIFACT_FIRMWARE:
                return check_firmware(size);
        case ARTIFACT_IGVM:
                return check_igvm(data, size);
        case _ARTIFACT_KIND_MAX:
                break;
        }
        return "of no known kind";
}
