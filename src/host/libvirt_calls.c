/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt_calls.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static LibvirtCalls calls;
static bool loaded;
static char failure[256];

/* One that lacks a function is too old. */
static bool find(void *library, const char *name, void *ret)
{
        void *function = dlsym(library, name);

        *(void **)ret = function;
        return function != NULL;
}

static void load(void)
{
        void *libvirt = dlopen("libvirt.so.0", RTLD_NOW | RTLD_NODELETE);
        void *qemu = libvirt ? dlopen("libvirt-qemu.so.0", RTLD_NOW | RTLD_NODELETE) : NULL;
        const char *reason;

        loaded = libvirt && qemu;
#define X(name) loaded = loaded && find(libvirt, #name, &calls.name);
        LIBVIRT_CALLS(X)
#undef X
#define X(name) loaded = loaded && find(qemu, #name, &calls.name);
        LIBVIRT_QEMU_CALLS(X)
#undef X
        if (loaded)
                return;
        reason = dlerror();
        snprintf(failure, sizeof(failure), "libvirt's libraries cannot be loaded: %s",
                 reason ? reason : "they lack a function");
}

const LibvirtCalls *libvirt_calls(const char **ret_reason)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, load);
        if (loaded)
                return &calls;
        *ret_reason = failure;
        return NULL;
}
