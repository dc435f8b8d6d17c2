/* SPDX-License-Identifier: Apache-2.0 */
#include "api/filter.h"

#include <string.h>

int filter_check(Filter *filter, CvmError *error)
{
        json_object *given = TAKE_PTR(filter->given);

        /* the call's own strings are cleared when its handler returns */
        if (given && json_object_deep_copy(given, &filter->labels, NULL) < 0)
                return cvm_error_system(error, -ENOMEM, "filter");
        if (filter->state_name && vm_state_parse(filter->state_name, &filter->state) < 0)
                return cvm_error_invalid_parameter(error, "state", "must be the name of a state");
        if (filter->id && !vm_id_is_valid(filter->id))
                return cvm_error_invalid_parameter(error, "id", VM_ID_REQUIRED);
        return 0;
}

void filter_done(Filter *filter)
{
        free(filter->name);
        free(filter->name_prefix);
        free(filter->id);
        free(filter->platform);
        free(filter->state_name);
        json_object_put(filter->labels);
}

static bool filter_is(const char *wanted, const char *found)
{
        return !wanted || (found && strcmp(wanted, found) == 0);
}

static bool filter_matches(const Filter *filter, const char *name, uid_t owner, const char *id,
                           const char *platform, json_object *labels)
{
        return filter_is(filter->name, name) &&
               (!filter->name_prefix ||
                strncmp(name, filter->name_prefix, strlen(filter->name_prefix)) == 0) &&
               (filter->owner < 0 || filter->owner == owner) && filter_is(filter->id, id) &&
               filter_is(filter->platform, platform) && spec_labels_match(labels, filter->labels);
}

bool filter_matches_vm(const Filter *filter, const Vm *vm)
{
        return (filter->state == _VM_STATE_MAX || filter->state == vm->state) &&
               filter_matches(filter, vm->name, vm->owner, vm->id, vm->platform, vm->labels);
}

bool filter_matches_event(const Filter *filter, const Event *event)
{
        return filter_is(filter->state_name, json_member_string(event->json, "newState")) &&
               filter_matches(filter, event->name, event->owner,
                              json_member_string(event->json, "id"),
                              json_member_string(event->json, "platform"),
                              json_member(event->json, "labels"));
}
