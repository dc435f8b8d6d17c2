/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <malloc.h>

#define HEAP_LARGE 65536 /* bytes: a block gets its own mapping; the end of the heap goes back */

void heap_prepare(void)
{
        mallopt(M_ARENA_MAX, 1);
        mallopt(M_MMAP_THRESHOLD, HEAP_LARGE);
        mallopt(M_TRIM_THRESHOLD, HEAP_LARGE);
}

void heap_trim(void)
{
        malloc_trim(0);
}
