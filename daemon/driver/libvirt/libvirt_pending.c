/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/libvirt/libvirt_pending.h"

#include <stdlib.h>

int libvirt_pending_add(LibvirtPending **list, LibvirtLink *link, LibvirtVerb verb, const char *id,
                        DriverDone done, void *userdata)
{
        LibvirtPending *pending = calloc(1, sizeof(*pending));

        if (!pending)
                return -ENOMEM;
        *pending = (LibvirtPending){.next = *list, .done = done, .userdata = userdata};
        pending->serial = libvirt_link_command(link, verb, id, NULL);
        if (!pending->serial) {
                free(pending);
                return -ENOMEM;
        }
        *list = pending;
        return 0;
}

LibvirtPending *libvirt_pending_take(LibvirtPending **list, uint64_t serial)
{
        for (LibvirtPending **p = list; *p; p = &(*p)->next)
                if ((*p)->serial == serial) {
                        LibvirtPending *found = *p;

                        *p = found->next;
                        return found;
                }
        return NULL;
}

void libvirt_pending_fail(LibvirtPending *list, const char *reason)
{
        for (LibvirtPending *next; list; list = next) {
                next = list->next;
                list->done(-ECONNRESET, reason, list->userdata);
                free(list);
        }
}
