/* SPDX-License-Identifier: Apache-2.0 */
#include "template/address_space.h"

#define GIB (1ull << 30)
#define LOW_MEMORY_SPLIT 0xb0000000ull /* with more than this, memory below 4 GiB ends at 2 GiB */
#define LOW_MEMORY 0x80000000ull
#define HOLE_SIZE (32 * GIB)     /* of q35's host bridge, property pci-hole64-size */
#define GPU_WINDOW (256 * GIB)   /* opt/ovmf/X-PciMmio64Mb of fragment "gpus" */
#define HT_START 0xfd00000000ull /* HyperTransport's range of AMD systems, up to 1 TiB: */
#define HT_END 0x10000000000ull  /* QEMU moves all memory above 4 GiB behind it */
#define SPACE_MAX (1ull << 62)   /* no machine has more */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
        return (value + unit - 1) / unit * unit;
}

/* Where memory ends that lies from `start` on, with the region for more. */
static uint64_t memory_end(const AddressNeeds *needs, uint64_t start)
{
        uint64_t low = needs->memory >= LOW_MEMORY_SPLIT ? LOW_MEMORY : needs->memory;
        uint64_t end = start + (needs->memory - low);

        if (needs->memory_max > needs->memory) /* each slot may have to be aligned to 1 GiB */
                end = round_up(end, GIB) + (needs->memory_max - needs->memory) + needs->slots * GIB;
        return round_up(end, GIB);
}

static bool is_moved(const AddressNeeds *needs)
{
        return needs->amd && memory_end(needs, 4 * GIB) + HOLE_SIZE - 1 >= HT_START;
}

static bool is_beyond_all(const AddressNeeds *needs)
{
        return needs->memory > SPACE_MAX || needs->memory_max > SPACE_MAX ||
               needs->slots > SPACE_MAX / GIB;
}

uint64_t address_space_last(const AddressNeeds *needs)
{
        if (is_beyond_all(needs))
                return UINT64_MAX;
        return memory_end(needs, is_moved(needs) ? HT_END : 4 * GIB) + HOLE_SIZE - 1;
}

/* The firmware aligns its window to the window's size; what is in HyperTransport's range no device
 * of an AMD system reaches. */
static uint64_t gpu_last(const AddressNeeds *needs)
{
        uint64_t end = memory_end(needs, is_moved(needs) ? HT_END : 4 * GIB);
        uint64_t last = round_up(end, GPU_WINDOW) + GPU_WINDOW - 1;

        return needs->amd && end <= HT_START && last >= HT_START ? HT_END + GPU_WINDOW - 1 : last;
}

unsigned address_space_bits(const AddressNeeds *needs)
{
        uint64_t last = address_space_last(needs);
        unsigned bits = 0;

        if (needs->gpus && last != UINT64_MAX && gpu_last(needs) > last)
                last = gpu_last(needs);
        for (; last; last >>= 1)
                bits++;
        return bits;
}
