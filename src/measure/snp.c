/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/snp.h"

#define PAGE_INFO_SIZE 0x70
#define PAGE_INFO_CONTENTS 48
#define PAGE_INFO_LENGTH 96
#define PAGE_INFO_TYPE 98
#define PAGE_INFO_GPA 104

const char *snp_page_type_name(SnpPageType type)
{
        static const char *const names[] = {
                [SNP_PAGE_NORMAL] = "normal",   [SNP_PAGE_VMSA] = "VMSA",
                [SNP_PAGE_ZERO] = "zero",       [SNP_PAGE_UNMEASURED] = "unmeasured",
                [SNP_PAGE_SECRETS] = "secrets", [SNP_PAGE_CPUID] = "CPUID",
        };

        return names[type];
}

int snp_digest_init(SnpDigest *digest)
{
        *digest = (SnpDigest){.value = hash_zero(HASH_SHA384), .hash = hash_new(HASH_SHA384)};
        return digest->hash ? 0 : -ENOMEM;
}

void snp_digest_done(SnpDigest *digest)
{
        digest->hash = hash_free(digest->hash);
}

static int add_page(SnpDigest *digest, SnpPageType type, uint64_t gpa, const uint8_t *data)
{
        uint8_t info[PAGE_INFO_SIZE] = {};
        HashDigest contents;
        int r;

        memcpy(info, digest->value.bytes, SHA384_SIZE);
        if (data) {
                hash_update(digest->hash, data, SNP_PAGE_SIZE);
                r = hash_finish(digest->hash, &contents);
                if (r < 0)
                        return r;
                memcpy(info + PAGE_INFO_CONTENTS, contents.bytes, SHA384_SIZE);
        }
        le16_put(info + PAGE_INFO_LENGTH, PAGE_INFO_SIZE);
        info[PAGE_INFO_TYPE] = (uint8_t)type;
        le64_put(info + PAGE_INFO_GPA, gpa);
        hash_update(digest->hash, info, sizeof(info));
        return hash_finish(digest->hash, &digest->value);
}

int snp_digest_add(SnpDigest *digest, SnpPageType type, uint64_t gpa, const uint8_t *data,
                   uint64_t size)
{
        int r = 0;

        for (uint64_t at = 0; r == 0 && at < size; at += SNP_PAGE_SIZE)
                r = add_page(digest, type, gpa + at, data ? data + at : NULL);
        return r;
}
