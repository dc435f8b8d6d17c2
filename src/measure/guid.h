/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* GUIDs as firmware stores them (UEFI, appendix A): the first three fields are little-endian. */

#include "base/macros.h"

#define GUID_SIZE 16

typedef struct Guid {
        uint8_t bytes[GUID_SIZE];
} Guid;

/* GUID(0x96b582de, 0x1fb2, 0x45f7, 0xba, 0xea, …) is 96b582de-1fb2-45f7-baea-…. */
#define GUID(a, b, c, ...)                                                                         \
        {                                                                                          \
                {                                                                                  \
                        (a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff, (b)&0xff, \
                                (b) >> 8 & 0xff, (c)&0xff, (c) >> 8 & 0xff, __VA_ARGS__            \
                }                                                                                  \
        }
