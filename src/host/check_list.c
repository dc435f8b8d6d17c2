/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "host/host_internal.h"

void host_check_done(HostCheck *check)
{
        free(check->name);
        free(check->found);
        free(check->needed);
        free(check->fix);
        *check = (HostCheck){};
}

void host_check_list_done(HostCheckList *list)
{
        for (size_t i = 0; i < list->n; i++)
                host_check_done(&list->items[i]);
        free(list->items);
        *list = (HostCheckList){};
}

int host_check_list_add(HostCheckList *list, HostCheck *check)
{
        HostCheck *items = reallocarray(list->items, list->n + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        list->items = items;
        list->items[list->n++] = TAKE_STRUCT(*check);
        return 0;
}

int host_check_list_add_new(HostCheckList *list, const char *name, const char *found,
                            const char *needed, bool passed, const char *fix)
{
        _cleanup_(host_check_done) HostCheck check = {
                .name = strdup(name),
                .found = strdup(found),
                .needed = strdup(needed),
                .fix = fix ? strdup(fix) : NULL,
                .passed = passed,
        };

        if (!check.name || !check.found || !check.needed || (fix && !check.fix))
                return -ENOMEM;
        return host_check_list_add(list, &check);
}

json_object *host_check_list_to_json(const HostCheckList *list)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < list->n; i++) {
                const HostCheck *check = &list->items[i];

                json_object_array_add(
                        array, json_build("name", json_new_text(check->name), "found",
                                          json_new_text(check->found), "needed",
                                          json_new_text(check->needed), "passed",
                                          json_object_new_boolean(check->passed), "fix",
                                          check->fix ? json_new_text(check->fix) : NULL, NULL));
        }
        return array;
}

int host_verdict(HostCheck *ret, const char *fix, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        ret->found = text_format_v(format, ap);
        va_end(ap);
        if (!ret->found)
                return -ENOMEM;
        ret->passed = !fix;
        if (fix)
                ret->fix = strdup(fix);
        return fix && !ret->fix ? -ENOMEM : 0;
}
