/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/firmware.h"

#include <lzma.h>
#include <string.h>

#include "measure/bytes.h"
#include "measure/guid.h"

#define SECTION_GUID_DEFINED 0x02
#define SECTION_HEADER 4 /* u24 size, u8 type; then GUID, u16 data offset, u16 attributes */
#define LZMA_MEMORY_MAX (256u << 20)
#define VERSION_DIGITS 7 /* of "2025.08" */
#define PIECE (1u << 20) /* bytes that are unpacked and looked at at a time */
#define OVERLAP 32       /* more than any of the texts has */

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

/* A literal with the NUL that ends it; `begins` if none of text stands before it. */
static bool has_literal(Bytes code, size_t from, const char *text, bool begins)
{
        const uint8_t *p = code.data + from, *end = code.data + code.size;
        size_t n = strlen(text) + 1;

        while ((p = memmem(p, (size_t)(end - p), text, n))) {
                if (!begins || p == code.data || p[-1] != ' ')
                        return true;
                p += n;
        }
        return false;
}

/* "2025.08" in UTF-16LE, not in a longer number; 0: it is not a version. */
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

/* Code that is looked at while it is unpacked. */
typedef struct Scan {
        Bytes code;   /* what there is of it */
        size_t begin; /* where the part not looked at begins */
        FirmwareCode found;
        bool versions_differ;
} Scan;

static void scan_versions(Scan *scan)
{
        static const uint8_t begin[] = {'2', 0, '0', 0};
        const uint8_t *p = scan->code.data + scan->begin;
        const uint8_t *end = scan->code.data + scan->code.size;
        uint32_t *found = &scan->found.version;

        while ((p = memmem(p, (size_t)(end - p), begin, sizeof(begin)))) {
                uint32_t version = (size_t)(end - p) >= 2 * VERSION_DIGITS ? version_at(p) : 0;

                scan->versions_differ =
                        scan->versions_differ || (version && *found && version != *found);
                *found = version ?: *found;
                p += 2;
        }
}

static void scan_more(Scan *scan)
{
        FirmwareCode *found = &scan->found;
        size_t from = scan->begin;

        scan_versions(scan);
        found->options_suffix =
                found->options_suffix || has_literal(scan->code, from, " initrd=initrd", false);
        found->options_prefix =
                found->options_prefix || has_literal(scan->code, from, "initrd=initrd ", true);
        found->raw_kernel = found->raw_kernel || has_literal(scan->code, from, "etc/boot/", false);
        scan->begin = scan->code.size > OVERLAP ? scan->code.size - OVERLAP : 0;
}

/* Nothing that may follow would be missed: each of these stands in it once. */
static bool scan_has_all(const Scan *scan)
{
        return scan->found.version && scan->found.raw_kernel &&
               (scan->found.options_suffix || scan->found.options_prefix);
}

static int unpack(lzma_stream *stream, uint8_t *code, size_t size, Scan *scan)
{
        stream->next_out = code;
        scan->code.data = code;
        while (scan->code.size < size && !scan_has_all(scan)) {
                size_t left = size - scan->code.size;
                lzma_ret status;

                stream->avail_out = left < PIECE ? left : PIECE;
                status = lzma_code(stream, LZMA_RUN);
                if ((status != LZMA_OK && status != LZMA_STREAM_END) || stream->avail_out != 0)
                        return -EBADMSG;
                scan->code.size = (size_t)(stream->next_out - code);
                scan_more(scan);
        }
        return 0;
}

/* The stream says how much it unpacks to (a u64 at 5 of the .lzma header). */
static int read_volume(Bytes volume, FirmwareCode *ret)
{
        lzma_stream stream = LZMA_STREAM_INIT;
        _cleanup_free_ uint8_t *code = NULL;
        Scan scan = {};
        uint64_t size;
        int r;

        if (volume.size < 13)
                return -EBADMSG;
        size = le64_get(volume.data + 5);
        if (size == 0 || size > FIRMWARE_CODE_MAX)
                return -EBADMSG;
        code = malloc(size);
        if (!code || lzma_alone_decoder(&stream, LZMA_MEMORY_MAX) != LZMA_OK)
                return -ENOMEM;
        stream.next_in = volume.data;
        stream.avail_in = volume.size;
        r = unpack(&stream, code, size, &scan);
        lzma_end(&stream);
        if (r < 0)
                return r;
        if (scan.versions_differ)
                scan.found.version = 0;
        *ret = scan.found;
        return 0;
}

int firmware_read_code(Bytes firmware, FirmwareCode *ret)
{
        Bytes volume;

        return find_volume(firmware, &volume) ? read_volume(volume, ret) : -ENOENT;
}
