/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Cleanup and ownership macros.
 *
 * A variable declared `_cleanup_(xp)` calls xp(&variable) when it leaves its scope. Ownership moves
 * out of it only by TAKE_PTR, TAKE_FD or TAKE_STRUCT, which leave NULL, -1 or an empty struct
 * behind.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* unused: clang does not count the call at the end of the scope as a use. */
#define _cleanup_(f) __attribute__((cleanup(f), unused))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _sentinel_ __attribute__((sentinel))
#define _warn_unused_ __attribute__((warn_unused_result))
/* Of an array for what is read: it is not filled with zeros first, as -ftrivial-auto-var-init has
 * it, which takes longer than the read. */
#define _uninitialized_ __attribute__((uninitialized))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define TAKE_PTR(p)                                                                                \
        ({                                                                                         \
                __typeof__(p) *_pp = &(p);                                                         \
                __typeof__(p) _p = *_pp;                                                           \
                *_pp = NULL;                                                                       \
                _p;                                                                                \
        })

#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int *_fdp = &(fd);                                                                 \
                int _fd = *_fdp;                                                                   \
                *_fdp = -1;                                                                        \
                _fd;                                                                               \
        })

/* The value of a struct, which is emptied: ownership of what its members point to moves. */
#define TAKE_STRUCT(s)                                                                             \
        ({                                                                                         \
                __typeof__(s) *_sp = &(s);                                                         \
                __typeof__(s) _s = *_sp;                                                           \
                *_sp = (__typeof__(s)){};                                                          \
                _s;                                                                                \
        })

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Defines the cleanup function NAMEp for a destructor `type *func(type *)` or `void
 * func(type *)`. */
#define DEFINE_CLEANUP(type, func)                                                                 \
        static inline void func##p(type *p)                                                        \
        {                                                                                          \
                if (*p)                                                                            \
                        func(*p);                                                                  \
        }

static inline void freep(void *p)
{
        free(*(void **)p);
}

static inline void closep(int *fd)
{
        if (*fd >= 0) {
                int saved = errno;

                close(*fd);
                errno = saved;
        }
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
