/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/libvirt/libvirt_news.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

LibvirtNewsItem *libvirt_news_new(const LibvirtNews *news)
{
        LibvirtNewsItem *item = calloc(1, sizeof(*item));

        if (!item)
                return NULL;
        item->news = *news;
        if (news->id)
                text_copy(item->id, sizeof(item->id), news->id);
        item->text = strdup(news->text ?: "");
        item->news.id = item->id;
        item->news.text = item->text ?: "";
        return item;
}

void libvirt_news_add(LibvirtNewsQueue *queue, LibvirtNewsItem *item)
{
        if (queue->last)
                queue->last->next = item;
        else
                queue->first = item;
        queue->last = item;
}

LibvirtNewsItem *libvirt_news_take(LibvirtNewsQueue *queue)
{
        LibvirtNewsItem *items = queue->first;

        *queue = (LibvirtNewsQueue){};
        return items;
}

void libvirt_news_free(LibvirtNewsItem *items)
{
        for (LibvirtNewsItem *next; items; items = next) {
                next = items->next;
                free(items->text);
                free(items);
        }
}
