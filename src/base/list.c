/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <assert.h>

void list_add(List *list, ListItem *item)
{
        assert(!item->list);
        *item = (ListItem){.list = list, .next = list->first, .link = &list->first};
        if (item->next)
                item->next->link = &item->next;
        list->first = item;
}

void list_remove(ListItem *item)
{
        if (!item->list)
                return;
        for (ListWalk *walk = item->list->walks; walk; walk = walk->outer)
                if (walk->next == item)
                        walk->next = item->next;
        *item->link = item->next;
        if (item->next)
                item->next->link = item->link;
        *item = (ListItem){};
}

void list_clear(List *list)
{
        while (list->first)
                list_remove(list->first);
        for (ListWalk *walk = list->walks; walk; walk = walk->outer)
                walk->list = NULL;
        list->walks = NULL;
}

static void list_walk_begin(ListWalk *walk)
{
        walk->begun = true;
        walk->next = walk->list->first;
        walk->outer = walk->list->walks;
        walk->list->walks = walk;
}

bool list_walk_next(ListWalk *walk)
{
        if (!walk->begun)
                list_walk_begin(walk);
        walk->current = walk->next;
        if (walk->current)
                walk->next = walk->current->next;
        return walk->current;
}

void list_walk_end(ListWalk *walk)
{
        if (!walk->begun || !walk->list)
                return;
        assert(walk->list->walks == walk);
        walk->list->walks = walk->outer;
}
