/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Commands to libvirt whose answers are awaited, by their serials. */

#include "driver/driver.h"
#include "driver/libvirt/libvirt_link.h"

typedef struct LibvirtPending LibvirtPending;
struct LibvirtPending {
        LibvirtPending *next;
        uint64_t serial;
        DriverDone done;
        void *userdata;
};

/* Gives libvirt the command. 0 or -ENOMEM; then `done` never comes. */
int libvirt_pending_add(LibvirtPending **list, LibvirtLink *link, LibvirtVerb verb, const char *id,
                        DriverDone done, void *userdata);
/* The command of that serial, which is the caller's to answer and free; NULL: no caller awaits
 * it. */
LibvirtPending *libvirt_pending_take(LibvirtPending **list, uint64_t serial);
/* Answers and frees all with -ECONNRESET. */
void libvirt_pending_fail(LibvirtPending *list, const char *reason);
