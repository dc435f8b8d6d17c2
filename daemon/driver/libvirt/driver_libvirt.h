/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What all CVMs of driver libvirt share: the link, and whom its news are for. */

#include "driver/driver.h"
#include "driver/libvirt/libvirt_condemned.h"
#include "driver/libvirt/libvirt_link.h"
#include "driver/libvirt/libvirt_pending.h"

typedef struct LibvirtVm LibvirtVm;

typedef struct LibvirtHome {
        DriverHome base;
        LibvirtLink *link;
        LibvirtVm *vms;
        LibvirtPending *pending;
        LibvirtCondemned *condemned;
        bool lost;        /* libvirt was here, and is not */
        char *uri, *user; /* as configured at the daemon's start; owned */
} LibvirtHome;

extern const DriverOps driver_libvirt;
