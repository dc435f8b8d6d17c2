/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/firmware.h"

#include <lzma.h>

#include "measure/guid.h"

#define SECTION_GUID_DEFINED 0x02
#define SECTION_HEADER 4 /* u24 size, u8 type; then GUID, u16 data offset, u16 attributes */
#define LZMA_MEMORY_MAX (256u << 20)
#define VERSION_DIGITS 7 /* of "2025.08" */

static const Guid lzma_guid =
        GUID(0xee4e5898, 0x3914, 0x4259, 0x9d, 0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf);

/* The compressed data of the first such section. */
static bool find_volume(Bytes firmware, Bytes *ret)
{
        const uint8_t *p = firmware.data, *end = firmware.data + firmware.size;

        while ((p = memmem(p, (size_t)(end - p), lzma_guid.bytes, GUID_SIZE))) {
                size_t at = (size_t)(p - firmware.data), left = firmware.size - at;
                size_t offset;

                if (at >= SECTION_HEADER && left >= GUID_SIZE + 4 &&
                    firmware.data[at - 1] == SECTION_GUID_DEFINED) {
                        offset = le16_get(p + GUID_SIZE);
                        if (offset >= SECTION_HEADER + GUID_SIZE + 4 &&
                            offset - SECTION_HEADER < left) {
                                *ret = (Bytes){p + offset - SECTION_HEADER,
                                               left - (offset - SECTION_HEADER)};
                                return true;
                        }
                }
                p += GUID_SIZE;
        }
        return false;
}

/* The stream says how much it unpacks to (a u64 at 5 of the .lzma header). */
static int unpack(Bytes volume, uint8_t **ret, size_t *ret_size)
{
        lzma_stream stream = LZMA_STREAM_INIT;
        _cleanup_free_ uint8_t *code = NULL;
        uint64_t size;
        lzma_ret status;

        if (volume.size < 13)
                return -EBADMSG;
        size = le64_get(volume.data + 5);
        if (size == 0 || size > FIRMWARE_CODE_MAX)
                return -EBADMSG;
        if (lzma_alone_decoder(&stream, LZMA_MEMORY_MAX) != LZMA_OK)
                return -ENOMEM;
        code = malloc(size);
        if (!code) {
                lzma_end(&stream);
                return -ENOMEM;
        }
        stream.next_in = volume.data;
        stream.avail_in = volume.size;
        stream.next_out = code;
        stream.avail_out = size;
        status = lzma_code(&stream, LZMA_RUN);
        lzma_end(&stream);
        if ((status != LZMA_OK && status != LZMA_STREAM_END) || stream.avail_out != 0)
                return -EBADMSG;
        *ret = TAKE_PTR(code);
        *ret_size = size;
        return 0;
}

/* A literal with the NUL that ends it; `begins` if none of text stands before it. */
static bool has_literal(Bytes code, const char *text, bool begins)
{
        const uint8_t *p = code.data, *end = code.data + code.size;
        size_t n = strlen(text) + 1;

        while ((p = memmem(p, (size_t)(end - p), text, n))) {
                if (!begins || p == code.data || p[-1] != ' ')
                        return true;
                p += n;
        }
        return false;
}

/* "2025.08" in UTF-16LE, not in a longer number; 0: it is none. */
static uint32_t version_at(const uint8_t *p)
{
        uint32_t version = 0;

        for (size_t i = 0; i < VERSION_DIGITS; i++) {
                if (p[2 * i + 1] != 0)
                        return 0;
                if (i == 4) {
                        if (p[2 * i] != '.')
                                return 0;
                        continue;
                }
                if (p[2 * i] < '0' || p[2 * i] > '9')
                        return 0;
                version = version * 10 + (uint32_t)(p[2 * i] - '0');
        }
        return version % 100 >= 1 && version % 100 <= 12 && version / 10000 == 20 ? version : 0;
}

/* The version that all such texts name; 0 if there is none or they differ. */
static uint32_t find_version(Bytes code)
{
        static const uint8_t begin[] = {'2', 0, '0', 0};
        const uint8_t *p = code.data, *end = code.data + code.size;
        uint32_t found = 0;

        while ((p = memmem(p, (size_t)(end - p), begin, sizeof(begin)))) {
                uint32_t version = (size_t)(end - p) >= 2 * VERSION_DIGITS ? version_at(p) : 0;

                if (version && found && version != found)
                        return 0;
                found = version ?: found;
                p += 2;
        }
        return found;
}

int firmware_read_code(Bytes firmware, FirmwareCode *ret)
{
        _cleanup_free_ uint8_t *data = NULL;
        Bytes volume, code;
        int r;

        if (!find_volume(firmware, &volume))
                return -ENOENT;
        r = unpack(volume, &data, &code.size);
        if (r < 0)
                return r;
        code.data = data;
        *ret = (FirmwareCode){
                .version = find_version(code),
                .options_suffix = has_literal(code, " initrd=initrd", false),
                .options_prefix = has_literal(code, "initrd=initrd ", true),
                .raw_kernel = has_literal(code, "etc/boot/", false),
        };
        return 0;
}
