/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Domains that libvirt is to destroy once it can be reached again, by their UUID. */

#include <stdbool.h>

typedef struct LibvirtCondemned LibvirtCondemned;
struct LibvirtCondemned {
        LibvirtCondemned *next;
        char id[37];
};

/* Returns false if it is listed already, or without memory. */
bool libvirt_condemned_add(LibvirtCondemned **list, const char *id);
void libvirt_condemned_remove(LibvirtCondemned **list, const char *id);
void libvirt_condemned_free(LibvirtCondemned *list);
