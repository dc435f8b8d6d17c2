/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The launch digest of an SEV-SNP guest: a chain over the pages that are put into it, in order.
 *
 * Source: AMD, "SEV Secure Nested Paging Firmware ABI Specification" (document 56860),
 * section 8.17.2 "SNP_LAUNCH_UPDATE", table "Layout of the PAGE_INFO Structure": each page makes LD
 * = SHA384(LD || contents || u16 length || u8 type || u8 IMI page || u8 VMPL permissions (4) || u64
 * gpa), contents being the SHA384 of the page or zeros.
 */

#include "base/hash.h"

#define SNP_PAGE_SIZE 4096

typedef enum SnpPageType {
        SNP_PAGE_NORMAL = 1,
        SNP_PAGE_VMSA = 2,
        SNP_PAGE_ZERO = 3,
        SNP_PAGE_UNMEASURED = 4,
        SNP_PAGE_SECRETS = 5,
        SNP_PAGE_CPUID = 6,
} SnpPageType;

const char *snp_page_type_name(SnpPageType type); /* "normal", "VMSA", … */

typedef struct SnpDigest {
        HashDigest value; /* valid after every call that returned 0 */
        Hash *hash;       /* owned */
} SnpDigest;

int snp_digest_init(SnpDigest *digest); /* 0 or -ENOMEM */
void snp_digest_done(SnpDigest *digest);

/* Adds `size` bytes (whole pages) from gpa on. data NULL: the pages' contents are not measured
 * (types other than normal and VMSA). The contents of many pages are hashed by several
 * threads, which have ended when it returns. 0, -ENOMEM or -EIO. */
int snp_digest_add(SnpDigest *digest, SnpPageType type, uint64_t gpa, const uint8_t *data,
                   uint64_t size);
