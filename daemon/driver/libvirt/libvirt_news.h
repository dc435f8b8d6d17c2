/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* News of libvirt's on their way from its threads to the daemon's loop, in their order. Whoever has
 * the queue has the lock, too. */

#include "driver/libvirt/libvirt_link.h"

typedef struct LibvirtNewsItem LibvirtNewsItem;
struct LibvirtNewsItem {
        LibvirtNewsItem *next;
        LibvirtNews news; /* borrows from the next two */
        char id[37];
        char *text;
};

/* Empty by {}. */
typedef struct LibvirtNewsQueue {
        LibvirtNewsItem *first, *last;
} LibvirtNewsQueue;

/* A copy. NULL without memory. */
LibvirtNewsItem *libvirt_news_new(const LibvirtNews *news);
/* Takes the item. */
void libvirt_news_add(LibvirtNewsQueue *queue, LibvirtNewsItem *item);
/* All of them, for libvirt_news_free(). */
LibvirtNewsItem *libvirt_news_take(LibvirtNewsQueue *queue);
void libvirt_news_free(LibvirtNewsItem *items);
