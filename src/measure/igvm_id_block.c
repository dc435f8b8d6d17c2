/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_id_block.h"

#include <string.h>

#include "measure/bytes.h"
#include "measure/igvm_checksum.h"
#include "measure/igvm_header.h"

#define NUMBERS_SIZE 144 /* two numbers of 72 bytes */

/* Offsets in the header's body … */
#define AUTHOR_ENABLED 4
#define LAUNCH_DIGEST 8
#define FAMILY_ID 56
#define IMAGE_ID 72
#define VERSION 88
#define GUEST_SVN 92
#define ID_ALGORITHM 96
#define AUTHOR_ALGORITHM 100
#define ID_SIGNATURE 104
#define ID_KEY 248
#define AUTHOR_SIGNATURE 400
#define AUTHOR_KEY 544
/* … and in a key of it. */
#define KEY_NUMBERS 8

#define ID_BLOCK_VERSION 1

/* What the header has without the reserved bytes of the authentication information, by the offsets
 * of both. */
static const struct {
        size_t file, auth, size;
} pieces[] = {
        {ID_ALGORITHM, 0, 4},
        {AUTHOR_ALGORITHM, 4, 4},
        {ID_SIGNATURE, ID_AUTH_BLOCK_SIGNATURE, NUMBERS_SIZE},
        {ID_KEY, ID_AUTH_ID_KEY, 4},
        {ID_KEY + KEY_NUMBERS, ID_AUTH_ID_KEY + 4, NUMBERS_SIZE},
        {AUTHOR_SIGNATURE, ID_AUTH_KEY_SIGNATURE, NUMBERS_SIZE},
        {AUTHOR_KEY, ID_AUTH_AUTHOR_KEY, 4},
        {AUTHOR_KEY + KEY_NUMBERS, ID_AUTH_AUTHOR_KEY + 4, NUMBERS_SIZE},
};

static void decode(const Igvm *igvm, Bytes body, IgvmIdBlock *ret)
{
        const uint8_t *p = body.data;

        *ret = (IgvmIdBlock){
                .block = {.launch_digest = {.algorithm = HASH_SHA384},
                          .guest_svn = le32_get(p + GUEST_SVN)},
                .has_author = p[AUTHOR_ENABLED] != 0,
                .offset = (size_t)(p - igvm->file.data),
        };
        memcpy(ret->block.launch_digest.bytes, p + LAUNCH_DIGEST, SHA384_SIZE);
        memcpy(ret->block.family_id, p + FAMILY_ID, sizeof(ret->block.family_id));
        memcpy(ret->block.image_id, p + IMAGE_ID, sizeof(ret->block.image_id));
        (void)igvm_find_policy(igvm, IGVM_PLATFORM_SEV_SNP, &ret->block.policy);
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
                memcpy(ret->auth + pieces[i].auth, p + pieces[i].file, pieces[i].size);
}

static void igvm_id_block_encode(uint32_t mask, const IdBlock *block, const uint8_t *auth,
                                 bool has_author, uint8_t *ret)
{
        memset(ret, 0, IGVM_ID_BLOCK_SIZE);
        le32_put(ret, mask);
        ret[AUTHOR_ENABLED] = has_author;
        memcpy(ret + LAUNCH_DIGEST, block->launch_digest.bytes, SHA384_SIZE);
        memcpy(ret + FAMILY_ID, block->family_id, sizeof(block->family_id));
        memcpy(ret + IMAGE_ID, block->image_id, sizeof(block->image_id));
        le32_put(ret + VERSION, ID_BLOCK_VERSION);
        le32_put(ret + GUEST_SVN, block->guest_svn);
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
                memcpy(ret + pieces[i].file, auth + pieces[i].auth, pieces[i].size);
}

int igvm_find_id_block(const Igvm *igvm, const char *name, IgvmIdBlock *ret, CvmError *error)
{
        const IgvmPlatform *platform = igvm_find_platform(igvm, IGVM_PLATFORM_SEV_SNP);
        Bytes found = {};
        IgvmHeader header;
        size_t cursor = 0;

        while (platform && igvm_next(igvm, &cursor, &header)) {
                if (header.type != IGVM_SNP_ID_BLOCK ||
                    !(le32_get(header.body.data) & platform->mask))
                        continue;
                if (found.data)
                        return igvm_header_refuse(
                                &header, name, error,
                                "a second ID block for SEV-SNP, which QEMU refuses");
                found = header.body;
        }
        if (!found.data)
                return -ENOENT;
        decode(igvm, found, ret);
        return 0;
}

int igvm_id_block_differs(const Igvm *igvm, const char *name, const Measurement *measurement,
                          HashDigest *ret, CvmError *error)
{
        static const char *const names[] = {"LaunchDigest", "LaunchDigestAllVcpus"};
        IgvmIdBlock found;
        int r = igvm_find_id_block(igvm, name, &found, error);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                const Register *reg = measurement_find(measurement, names[i], HASH_SHA384);

                if (reg && reg->state == MEASUREMENT_VALUE &&
                    memcmp(reg->value.bytes, found.block.launch_digest.bytes, SHA384_SIZE) == 0)
                        return 0;
        }
        *ret = found.block.launch_digest;
        return 1;
}

/* Where in the file a header has the offset of its data; 0: its type has none. */
static size_t find_offset(const Igvm *igvm, const IgvmHeader *header)
{
        switch (header->type) {
        case IGVM_PARAMETER_AREA:
        case IGVM_PAGE_DATA:
        case IGVM_VP_CONTEXT:
                return (size_t)(header->body.data - igvm->file.data) + 12;
        case IGVM_CORIM_DOCUMENT:
        case IGVM_CORIM_SIGNATURE:
                return (size_t)(header->body.data - igvm->file.data) + 4;
        default:
                return 0;
        }
}

/* How far data behind the headers move for `growth` bytes more of them: not at all into zeros that
 * nothing lies in; else by whole pages, so that pages stay aligned. */
static int find_shift(const Igvm *igvm, const char *name, size_t end, size_t growth, size_t *ret,
                      CvmError *error)
{
        size_t first = igvm->file.size, cursor = 0;
        IgvmHeader header;
        bool room;

        while (igvm_next(igvm, &cursor, &header)) {
                size_t at = find_offset(igvm, &header);
                size_t offset = at ? le32_get(igvm->file.data + at) : 0;

                if (!igvm_type_name(header.type))
                        return cvm_error_artifact(error, name,
                                                  "has an IGVM header of the unknown type 0x%x, "
                                                  "whose data could not be moved",
                                                  header.type);
                if (offset >= end && offset < first)
                        first = offset;
        }
        room = first - end >= growth;
        for (size_t i = 0; room && i < growth; i++)
                room = igvm->file.data[end + i] == 0;
        *ret = room ? 0 : (growth + IGVM_PAGE_SIZE - 1) & ~(size_t)(IGVM_PAGE_SIZE - 1);
        return 0;
}

static void move_offsets(const Igvm *igvm, size_t end, size_t shift, uint8_t *copy)
{
        size_t cursor = 0;
        IgvmHeader header;

        while (igvm_next(igvm, &cursor, &header)) {
                size_t at = find_offset(igvm, &header);

                if (at && le32_get(copy + at) >= end)
                        le32_put(copy + at, le32_get(copy + at) + (uint32_t)shift);
        }
}

/* The file with room for a header behind the last one, which is what `ret_body` points to. */
static int igvm_id_block_append(const Igvm *igvm, const char *name, uint8_t **ret, size_t *ret_size,
                                uint8_t **ret_body, CvmError *error)
{
        size_t end = igvm->headers_offset + igvm->headers_size;
        size_t at = igvm->headers_offset + ((igvm->headers_size + 7u) & ~7u);
        size_t growth = at - end + 8 + IGVM_ID_BLOCK_SIZE, size, shift = 0;
        uint8_t *copy;
        int r = find_shift(igvm, name, end, growth, &shift, error);

        if (r < 0)
                return r;
        size = igvm->file.size + shift;
        if (size > UINT32_MAX)
                return cvm_error_artifact(error, name,
                                          "would be longer than 4 GiB with an ID block");
        copy = calloc(1, size);
        if (!copy)
                return cvm_error_system(error, -ENOMEM, "sign an IGVM file");
        memcpy(copy, igvm->file.data, end);
        memcpy(copy + end + shift, igvm->file.data + end, igvm->file.size - end);
        if (shift)
                move_offsets(igvm, end, shift, copy);
        le32_put(copy + at, IGVM_SNP_ID_BLOCK);
        le32_put(copy + at + 4, IGVM_ID_BLOCK_SIZE);
        le32_put(copy + IGVM_HEADERS_SIZE_AT, (uint32_t)(igvm->headers_size + growth));
        le32_put(copy + IGVM_FILE_SIZE_AT, (uint32_t)size);
        *ret = copy;
        *ret_size = size;
        *ret_body = copy + at + 8;
        return 0;
}

int igvm_sign(const Igvm *igvm, const char *name, const IdBlock *block,
              const uint8_t auth[static ID_AUTH_SIZE], bool has_author, uint8_t **ret,
              size_t *ret_size, CvmError *error)
{
        const IgvmPlatform *platform = igvm_find_platform(igvm, IGVM_PLATFORM_SEV_SNP);
        uint32_t mask = platform ? platform->mask : 0;
        size_t size = igvm->file.size;
        _cleanup_free_ uint8_t *copy = NULL;
        uint8_t *body = NULL;
        IgvmIdBlock old;
        int r;

        if (!platform)
                return cvm_error_artifact(error, name, "an IGVM file that is not for SEV-SNP");
        r = igvm_find_id_block(igvm, name, &old, error);
        if (r == -ENOENT) {
                r = igvm_id_block_append(igvm, name, &copy, &size, &body, error);
        } else if (r == 0) {
                copy = malloc(size);
                if (!copy)
                        return cvm_error_system(error, -ENOMEM, "sign an IGVM file");
                memcpy(copy, igvm->file.data, size);
                body = copy + old.offset;
                mask = le32_get(body);
        }
        if (r < 0)
                return r;
        igvm_id_block_encode(mask, block, auth, has_author, body);
        igvm_seal(copy);
        *ret = TAKE_PTR(copy);
        *ret_size = size;
        return 0;
}
