/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/libvirt/libvirt_condemned.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

bool libvirt_condemned_add(LibvirtCondemned **list, const char *id)
{
        LibvirtCondemned *c;

        for (c = *list; c; c = c->next)
                if (strcmp(c->id, id) == 0)
                        return false;
        c = calloc(1, sizeof(*c));
        if (!c)
                return false;
        text_copy(c->id, sizeof(c->id), id);
        c->next = *list;
        *list = c;
        return true;
}

void libvirt_condemned_remove(LibvirtCondemned **list, const char *id)
{
        for (LibvirtCondemned **c = list; *c; c = &(*c)->next)
                if (strcmp((*c)->id, id) == 0) {
                        LibvirtCondemned *gone = *c;

                        *c = gone->next;
                        free(gone);
                        return;
                }
}

void libvirt_condemned_free(LibvirtCondemned *list)
{
        for (LibvirtCondemned *next; list; list = next) {
                next = list->next;
                free(list);
        }
}
