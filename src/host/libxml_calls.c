/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libxml_calls.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

/* The structures that are read directly are of the library's version at build. */
#if LIBXML_VERSION >= 21400
#define LIBRARY "libxml2.so.16"
#else
#define LIBRARY "libxml2.so.2"
#endif

static LibxmlCalls calls;
static bool loaded;
static char failure[256];
const LibxmlCalls *const libxml = &calls;

/* One that lacks a function is too old. */
static bool find(void *library, const char *name, void *ret)
{
        void *function = dlsym(library, name);

        *(void **)ret = function;
        return function != NULL;
}

static void load(void)
{
        void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_NODELETE);
        xmlFreeFunc *free_text = NULL;
        const char *reason;

        loaded = library && find(library, "xmlFree", &free_text);
#define X(name) loaded = loaded && find(library, #name, &calls.name);
        LIBXML_CALLS(X)
#undef X
        if (loaded) {
                calls.free_text = *free_text;
                return;
        }
        reason = dlerror();
        snprintf(failure, sizeof(failure), "libxml2 cannot be loaded: %s",
                 reason ? reason : "it lacks a function");
}

bool libxml_load(const char **ret_reason)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, load);
        *ret_reason = loaded ? NULL : failure;
        return loaded;
}
