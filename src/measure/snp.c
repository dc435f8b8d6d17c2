/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/snp.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "measure/bytes.h"

#define PAGE_INFO_SIZE 0x70
#define PAGE_INFO_CONTENTS 48
#define PAGE_INFO_LENGTH 96
#define PAGE_INFO_TYPE 98
#define PAGE_INFO_GPA 104

#define THREADS_MAX 8
#define PAGES_OF_A_THREAD 128 /* fewer take less time than starting a thread */

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

/* What makes LD of a page. contents NULL: they are not measured. */
static int snp_add_page(SnpDigest *digest, SnpPageType type, uint64_t gpa,
                        const HashDigest *contents)
{
        uint8_t info[PAGE_INFO_SIZE] = {};

        memcpy(info, digest->value.bytes, SHA384_SIZE);
        if (contents)
                memcpy(info + PAGE_INFO_CONTENTS, contents->bytes, SHA384_SIZE);
        le16_put(info + PAGE_INFO_LENGTH, PAGE_INFO_SIZE);
        info[PAGE_INFO_TYPE] = (uint8_t)type;
        le64_put(info + PAGE_INFO_GPA, gpa);
        hash_update(digest->hash, info, sizeof(info));
        return hash_finish(digest->hash, &digest->value);
}

/* Pages whose contents are hashed, by one thread or this one. */
typedef struct Part {
        const uint8_t *data;
        size_t n;
        HashDigest *digests; /* of each page */
        pthread_t thread;
        bool has_thread;
        int result;
} Part;

static int hash_pages(Part *part, Hash *hash)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < part->n; i++) {
                hash_update(hash, part->data + i * SNP_PAGE_SIZE, SNP_PAGE_SIZE);
                r = hash_finish(hash, &part->digests[i]);
        }
        return r;
}

static void *hash_part(void *userdata)
{
        Part *part = userdata;
        _cleanup_(hash_freep) Hash *hash = hash_new(HASH_SHA384);

        part->result = hash ? hash_pages(part, hash) : -ENOMEM;
        return NULL;
}

static size_t count_threads(size_t n)
{
        cpu_set_t cpus;
        size_t wanted = n / PAGES_OF_A_THREAD, there = 1;

        if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
                there = (size_t)CPU_COUNT(&cpus);
        if (wanted > there)
                wanted = there;
        return wanted > THREADS_MAX ? THREADS_MAX : wanted;
}

/* The contents' digests of n pages. */
static int hash_contents(SnpDigest *digest, const uint8_t *data, size_t n, HashDigest *ret)
{
        size_t threads = count_threads(n), at = 0;
        Part parts[THREADS_MAX] = {};
        int r = 0;

        if (threads <= 1)
                return hash_pages(&(Part){.data = data, .n = n, .digests = ret}, digest->hash);
        for (size_t i = 0; i < threads; i++) {
                size_t end = n * (i + 1) / threads;
                Part *part = &parts[i];

                *part = (Part){data + at * SNP_PAGE_SIZE, end - at, ret + at};
                at = end;
                part->has_thread = i + 1 < threads &&
                                   pthread_create(&part->thread, NULL, hash_part, part) == 0;
                if (!part->has_thread)
                        hash_part(part);
        }
        for (size_t i = 0; i < threads; i++) {
                if (parts[i].has_thread)
                        pthread_join(parts[i].thread, NULL);
                r = r ?: parts[i].result;
        }
        return r;
}

int snp_digest_add(SnpDigest *digest, SnpPageType type, uint64_t gpa, const uint8_t *data,
                   uint64_t size)
{
        size_t n = size / SNP_PAGE_SIZE;
        _cleanup_free_ HashDigest *contents = NULL;
        int r = 0;

        if (data) {
                contents = calloc(n + 1, sizeof(*contents));
                if (!contents)
                        return -ENOMEM;
                r = hash_contents(digest, data, n, contents);
        }
        for (size_t i = 0; r == 0 && i < n; i++)
                r = snp_add_page(digest, type, gpa + i * SNP_PAGE_SIZE, data ? &contents[i] : NULL);
        return r;
}
