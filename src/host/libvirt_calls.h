/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * libvirt's functions. Its libraries are loaded when they are first asked for: they and all that
 * they need take some 9 MB, which a daemon without CVMs of driver libvirt does not spend; and a
 * host does not have to have them.
 */

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>

#define LIBVIRT_CALLS(X)                                                                           \
        X(virConnectClose)                                                                         \
        X(virConnectDomainEventDeregisterAny)                                                      \
        X(virConnectDomainEventRegisterAny)                                                        \
        X(virConnectGetDomainCapabilities)                                                         \
        X(virConnectGetLibVersion)                                                                 \
        X(virConnectOpen)                                                                          \
        X(virConnectRef)                                                                           \
        X(virConnectRegisterCloseCallback)                                                         \
        X(virConnectSetKeepAlive)                                                                  \
        X(virConnectUnregisterCloseCallback)                                                       \
        X(virDomainCreateXML)                                                                      \
        X(virDomainDestroyFlags)                                                                   \
        X(virDomainFree)                                                                           \
        X(virDomainGetState)                                                                       \
        X(virDomainGetUUIDString)                                                                  \
        X(virDomainLookupByUUIDString)                                                             \
        X(virDomainResume)                                                                         \
        X(virDomainShutdown)                                                                       \
        X(virDomainSuspend)                                                                        \
        X(virEventAddTimeout)                                                                      \
        X(virEventRegisterDefaultImpl)                                                             \
        X(virEventRunDefaultImpl)                                                                  \
        X(virGetLastError)                                                                         \
        X(virGetLastErrorMessage)                                                                  \
        X(virInitialize)                                                                           \
        X(virResetLastError)                                                                       \
        X(virSetErrorFunc)
/* of libvirt-qemu */
#define LIBVIRT_QEMU_CALLS(X)                                                                      \
        X(virConnectDomainQemuMonitorEventDeregister)                                              \
        X(virConnectDomainQemuMonitorEventRegister)                                                \
        X(virDomainQemuMonitorCommand)

typedef struct LibvirtCalls {
#define X(name) __typeof__(name) *name;
        LIBVIRT_CALLS(X)
        LIBVIRT_QEMU_CALLS(X)
#undef X
} LibvirtCalls;

/* Any thread; the same each time. NULL: they cannot be loaded, because of *ret_reason (static). */
const LibvirtCalls *libvirt_calls(const char **ret_reason);
