/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An intrusive list of those who are notified, which may change while they are.
 *
 * During a walk any item may be removed, the current one and others included: a removed item is not
 * visited any more. An item that is added is not visited by walks that have begun. The list may be
 * cleared, and its owner freed: all walks are over then. Walks of a list may be nested. Not
 * thread-safe.
 *
 * Lists that nothing changes during a walk use sys/queue.h.
 */

#include "base/macros.h"

typedef struct List List;
typedef struct ListWalk ListWalk;

/* Embedded in what is listed. All zeros: it is in no list. */
typedef struct ListItem ListItem;
struct ListItem {
        List *list; /* NULL: it is in none */
        ListItem *next, **link;
};

/* All zeros: an empty list. */
struct List {
        ListItem *first;
        ListWalk *walks; /* those in progress, the innermost first */
};

/* The item becomes the first; it must be in no list. */
void list_add(List *list, ListItem *item);
/* Does nothing if the item is in no list. */
void list_remove(ListItem *item);
/* Removes all items and ends all walks; to be called before the list is freed. */
void list_clear(List *list);

/* For list_foreach(). */
struct ListWalk {
        List *list; /* NULL: the walk is over */
        ListItem *current, *next;
        ListWalk *outer;
        bool begun;
};

bool list_walk_next(ListWalk *walk); /* whether there is a current item */
void list_walk_end(ListWalk *walk);

/* The body runs once for each item. `item` is a variable, a pointer to the type that has the item
 * embedded as `member`. */
#define list_foreach(item, of, member)                                                             \
        for (_cleanup_(list_walk_end) ListWalk _walk_##item = {.list = (of)};                      \
             list_walk_next(&_walk_##item) &&                                                      \
             (item = container_of(_walk_##item.current, __typeof__(*item), member), true);)
