/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Domains that are to go and of which libvirt could not be told yet, by their UUID. */

#include <stdbool.h>

typedef struct LibvirtCondemned LibvirtCondemned;
struct LibvirtCondemned {
        LibvirtCondemned *next;
        char id[37];
};

/* False where it is listed already, or without memory. */
bool libvirt_condemned_add(LibvirtCondemned **list, const char *id);
void libvirt_condemned_remove(LibvirtCondemned **list, const char *id);
void libvirt_condemned_free(LibvirtCondemned *list);
