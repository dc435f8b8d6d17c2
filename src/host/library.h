/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Functions of libraries that are loaded when they are first needed: dlopen(3), never unloaded. */

#include <stdbool.h>

typedef struct Library {
        void *handle;
        const char *name;  /* what the failure calls it; static */
        bool complete;     /* loaded, and nothing was missing so far */
        char failure[256]; /* why not */
} Library;

/* soname: the file's; name: what the failure calls it, static. */
void library_load(Library *library, const char *soname, const char *name);
/* Writes the address of a function or variable to *ret, a pointer to it. One that is missing makes
 * the library incomplete: it is too old. */
void library_find(Library *library, const char *name, void *ret);
