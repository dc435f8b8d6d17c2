/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where the bytes of a file system may come to lie. */

#include "base/macros.h"

typedef enum Residence {
        RESIDENCE_MEMORY, /* ramfs; tmpfs that is mounted noswap, or on a host without swap now */
        RESIDENCE_SWAPPABLE, /* a tmpfs, and the host swaps to a disk */
        RESIDENCE_DISK,      /* anything else, and what cannot be determined */
} Residence;

/* Of the file system of an open file. mounts and swaps: "/proc/self/mountinfo" (proc(5), Linux 5.8
 * for the mount's number) and "/proc/swaps". Swap on zram counts as memory. */
Residence residence_of(int fd, const char *mounts, const char *swaps);
