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

#define PE_SECTIONS_MAX 96u
#define COFF_SIZE 24u /* signature and COFF file header */
#define COFF_MACHINE_AMD64 0x8664u
#define PACKED "-compressed, not a bzImage: unpack it"

static const char uki[] =
        "a unified kernel image (UKI), not a bzImage: give its kernel, initramfs and command line "
        "separately (objcopy -O binary --only-section=.linux UKI KERNEL extracts the kernel)";

/* Whether the file begins as a text does: no control characters but those of white space. */
static bool artifact_kind_is_text(const uint8_t *data, uint64_t size)
{
        for (uint64_t i = 0; i < size && i < ARTIFACT_HEAD_SIZE; i++)
                if ((data[i] < 0x20 && !(data[i] >= '\t' && data[i] <= '\r')) || data[i] == 0x7f)
                        return false;
        return size > 0;
}

/* Whether a PE image has the section that the UAPI group's specification of UKIs requires. */
static bool has_linux_section(const uint8_t *data, uint64_t size, uint64_t coff)
{
        uint64_t sections = coff + COFF_SIZE + le16(data + coff + 20);
        uint32_t n = le16(data + coff + 6);

        for (uint32_t i = 0; i < n && i < PE_SECTIONS_MAX && sections + 40 * (i + 1) <= size; i++)
                if (memcmp(data + sections + 40 * i, ".linux\0", 8) == 0)
                        return true;
        return false;
}

/* What a PE image is that is not a bzImage; NULL: the file is not a PE image. */
static const char *name_pe(const uint8_t *data, uint64_t size)
{
        uint64_t coff = le32(data + 0x3c);

        if (memcmp(data, "MZ", 2) != 0 || coff + COFF_SIZE > size ||
            memcmp(data + coff, "PE\0\0", 4) != 0)
                return NULL;
        if (has_linux_section(data, size, coff))
                return uki;
        if (memcmp(data + 4, "zimg", 4) == 0)
                return "a compressed EFI image (zboot) for another architecture, not an x86 "
                       "bzImage";
        return le16(data + coff + 4) == COFF_MACHINE_AMD64
                       ? "an EFI program, not a bzImage (no Linux boot header)"
                       : "an EFI program for another architecture, not an x86 bzImage";
}

/* What a file without a Linux boot header is. Linux, Documentation/arch/arm64/booting.rst; the
 * other formats' magic numbers. */
static const char *name_foreign_kernel(const uint8_t *data, uint64_t size)
{
        static const struct {
                size_t offset;
                const char *bytes;
                size_t size;
                const char *what;
        } formats[] = {
                {0x38, "ARM\x64", 4, "an arm64 Image, not an x86 bzImage"},
                {0x38, "RSC\x05", 4, "a RISC-V Image, not an x86 bzImage"},
                {0,
                 "\x7f"
                 "ELF",
                 4,
                 "an ELF file, not a bzImage: instead of vmlinux, use arch/x86/boot/bzImage from "
                 "the kernel build"},
                {0, "\x1f\x8b", 2, "gzip" PACKED},
                {0, "\x28\xb5\x2f\xfd", 4, "zstd" PACKED},
                {0,
                 "\xfd"
                 "7zXZ\0",
                 6, "xz" PACKED},
                {0, "BZh", 3, "bzip2" PACKED},
                {0, "\x02\x21\x4c\x18", 4, "lz4" PACKED},
                {0, "\x04\x22\x4d\x18", 4, "lz4" PACKED},
                {0, "\x27\x05\x19\x56", 4, "a U-Boot image, not a bzImage"},
                {0, "\xd0\x0d\xfe\xed", 4, "a device tree or FIT image, not a bzImage"},
                {0, "ANDROID!", 8, "an Android boot image, not a bzImage"},
                {0, "IGVM", 4, "an IGVM file, not a bzImage"},
                {0, "07070", 5, "a cpio archive, not a bzImage: give it as the initramfs"},
                {0, "!<arch>\n", 8, "an archive or a package, not a bzImage: unpack it"},
        };

        for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
                if (memcmp(data + formats[i].offset, formats[i].bytes, formats[i].size) == 0)
                        return formats[i].what;
        if (artifact_kind_is_text(data, size))
                return "a text file, not a bzImage";
        return name_pe(data, size) ?: "not a bzImage (no Linux boot header)";
}

/* Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
static const char *check_kernel(const uint8_t *data, uint64_t size)
{
        uint64_t setup_sectors;

        if (size < 0x264) /* end of the header of protocol 2.12 */
                return artifact_kind_is_text(data, size) ? "a text file, not a bzImage"
                                                         : "too short for a bzImage";
        if (le16(data + 0x1fe) != 0xaa55 || memcmp(data + 0x202, "HdrS", 4) != 0)
                return name_foreign_kernel(data, size);
        if (le16(data + 0x206) < 0x20c) /* the first with xloadflags: a 64-bit entry */
                return "a bzImage with a boot protocol older than 2.12";
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
                return "truncated or padded: its IGVM header states a different size";
        offset = le32(data + 8);
        length = le32(data + 12);
        if (offset < (le32(data + 4) == 1 ? 24 : 32) || offset + length > size)
                return "its IGVM header points outside the file";
        return NULL;
}

/* QEMU maps firmware below 4 GiB, page by page (hw/i386/x86.c); OVMF builds are 2 to 16 MiB. */
static const char *artifact_kind_check_firmware(uint64_t size)
{
        if (size > ARTIFACT_FIRMWARE_SIZE_MAX)
                return "larger than 16 MiB: not a firmware image";
        if (size % 4096 != 0)
                return "not a multiple of 4 KiB: not a firmware image";
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
                return artifact_kind_check_firmware(size);
        case ARTIFACT_IGVM:
                return check_igvm(data, size);
        case _ARTIFACT_KIND_MAX:
                break;
        }
        return "of an unknown kind";
}
