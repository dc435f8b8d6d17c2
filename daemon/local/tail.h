/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The last bytes of what a child process printed, for the reason of its end. */

#include "base/text.h"

#define TAIL_BYTES 4096u

typedef struct Tail {
        Buffer bytes;
} Tail;

void tail_add(Tail *tail, const char *data, size_t size);
/* Without the white space at the end; "" for nothing. Borrowed until the next call. */
const char *tail_text(Tail *tail);
void tail_done(Tail *tail);
