/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the libvirt of driver libvirt can do, by its own answer, and what a domain needs of it. */

#include "host/host.h"

#define LIBVIRT_URI "qemu:///system" /* unless another is configured */

typedef struct LibvirtFacts {
        unsigned long version; /* 1000000 * major + 1000 * minor + release; 0: it was not asked */
        bool passt;            /* forwards ports through it */
        bool memfd, shares;    /* memory by memfd; directories over 9p */
        bool tpm;              /* one that another user runs */
        bool sev, sev_snp, tdx;
} LibvirtFacts;

/* What a platform's domain asks for. */
typedef struct LibvirtNeeds {
        char security[32]; /* type of its launchSecurity; "": it has none */
        bool tpm;
} LibvirtNeeds;

/* facts NULL: it could not be asked, because of `reason`. Adds what failed, or all. 0
 * or -ENOMEM. */
int libvirt_needs_check(const LibvirtFacts *facts, const char *uri, const char *reason,
                        const LibvirtNeeds *needs, bool all, HostCheckList *list);
