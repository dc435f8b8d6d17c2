/* SPDX-License-Identifier: Apache-2.0 */
#include "host/library.h"

#include <dlfcn.h>
#include <stdio.h>

static void library_fail(Library *library)
{
        const char *reason = dlerror();

        library->complete = false;
        snprintf(library->failure, sizeof(library->failure), "%s cannot be loaded: %s",
                 library->name, reason ? reason : "a function is missing");
}

void library_load(Library *library, const char *soname, const char *name)
{
        library->handle = dlopen(soname, RTLD_NOW | RTLD_NODELETE);
        library->complete = library->handle != NULL;
        library->name = name;
        if (!library->complete)
                library_fail(library);
}

void library_find(Library *library, const char *name, void *ret)
{
        void *found;

        if (!library->complete)
                return;
        found = dlsym(library->handle, name);
        if (found)
                *(void **)ret = found;
        else
                library_fail(library);
}
