/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_ranges.h"

typedef struct Range {
        uint64_t from, to;
} Range;

static int igvm_ranges_compare(const void *a, const void *b)
{
        const Range *x = a, *y = b;

        return x->from < y->from ? -1 : x->from > y->from;
}

/* The pages that a header fills for the platform; false: none. */
static bool range_of(const Igvm *igvm, const IgvmHeader *header, uint32_t mask, Range *ret)
{
        if (header->type == IGVM_PAGE_DATA) {
                IgvmPage page = igvm_page(igvm, header);

                *ret = (Range){page.gpa, page.gpa + page.size};
                return page.mask & mask;
        }
        if (header->type == IGVM_PARAMETER_INSERT) {
                IgvmInsert insert = igvm_insert(igvm, header);

                *ret = (Range){insert.gpa, insert.gpa + insert.size};
                return insert.mask & mask;
        }
        return false;
}

int igvm_check_overlap(const Igvm *igvm, const char *name, uint32_t mask, CvmError *error)
{
        _cleanup_free_ Range *ranges = NULL;
        size_t n = 0, cursor = 0;
        uint64_t total = 0;
        IgvmHeader header;

        ranges = calloc(igvm->n_headers ?: 1, sizeof(*ranges));
        if (!ranges)
                return cvm_error_system(error, -ENOMEM, "read '%s'", name);
        while (igvm_next(igvm, &cursor, &header))
                if (range_of(igvm, &header, mask, &ranges[n]))
                        n++;
        qsort(ranges, n, sizeof(*ranges), igvm_ranges_compare);
        for (size_t i = 0; i < n; i++) {
                total += ranges[i].to - ranges[i].from;
                if (total > IGVM_MEMORY_MAX)
                        return cvm_error_artifact(error, name, "fills more than 1 GiB of memory");
        }
        for (size_t i = 1; i < n; i++)
                if (ranges[i].from < ranges[i - 1].to)
                        return cvm_error_artifact(error, name, "IGVM pages overlap at 0x%llx",
                                                  (unsigned long long)ranges[i].from);
        return 0;
}
