/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt_calls.h"

#include <pthread.h>

#include "host/library.h"

static LibvirtCalls calls;
static Library libvirt, libvirt_qemu;

static void libvirt_calls_load(void)
{
        library_load(&libvirt, "libvirt.so.0", "libvirt's library");
        library_load(&libvirt_qemu, "libvirt-qemu.so.0", "libvirt's library for QEMU");
#define X(name) library_find(&libvirt, #name, &calls.name);
        LIBVIRT_CALLS(X)
#undef X
#define X(name) library_find(&libvirt_qemu, #name, &calls.name);
        LIBVIRT_QEMU_CALLS(X)
#undef X
}

const LibvirtCalls *libvirt_calls(const char **ret_reason)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, libvirt_calls_load);
        if (libvirt.complete && libvirt_qemu.complete)
                return &calls;
        *ret_reason = libvirt.complete ? libvirt_qemu.failure : libvirt.failure;
        return NULL;
}
