/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Counts the open handles of an event loop, and whatever else keeps an object in memory. The object
 * is freed when the last of them has been closed, which only the loop knows.
 */

#include <assert.h>

#include "base/macros.h"

typedef struct Handles {
        unsigned n;
        void (*last_closed)(void *owner);
        void *owner;
} Handles;

/* Begins with `n` (1 or more) open handles. last_closed is called once, when none is left; it frees
 * the owner, and this with it. */
static inline void handles_init(Handles *handles, unsigned n, void (*last_closed)(void *owner),
                                void *owner)
{
        *handles = (Handles){n, last_closed, owner};
}

static inline void handles_add(Handles *handles)
{
        assert(handles->n > 0);
        handles->n++;
}

/* One of them has been closed: to be called by its close callback. The owner may be gone
 * afterwards. */
static inline void handles_closed(Handles *handles)
{
        assert(handles->n > 0);
        if (--handles->n == 0)
                handles->last_closed(handles->owner);
}
