/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libxml_calls.h"

#include <pthread.h>

#include "host/library.h"

/* The structures that are read directly are of the library's version at build. */
#if LIBXML_VERSION >= 21400
#define SONAME "libxml2.so.16"
#else
#define SONAME "libxml2.so.2"
#endif

static LibxmlCalls calls;
static Library library;
const LibxmlCalls *const libxml = &calls;

static void libxml_load_once(void)
{
        xmlFreeFunc *free_text = NULL;

        library_load(&library, SONAME, "libxml2");
#define X(name) library_find(&library, #name, &calls.name);
        LIBXML_CALLS(X)
#undef X
        library_find(&library, "xmlFree", &free_text);
        if (library.complete)
                calls.free_text = *free_text;
}

bool libxml_calls_load(const char **ret_reason)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, libxml_load_once);
        *ret_reason = library.complete ? NULL : library.failure;
        return library.complete;
}
