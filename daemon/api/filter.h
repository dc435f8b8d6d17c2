/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which CVMs, or whose events, List and Watch return: each condition that is given must hold. */

#include "base/json.h"
#include "vm/events.h"
#include "vm/vm.h"

typedef struct Filter {
        char *name, *name_prefix, *id, *platform, *state_name; /* NULL: any */
        int64_t owner;                                         /* -1: any */
        VmState state;                                         /* _VM_STATE_MAX: any */
        json_object *given;  /* the labels in the call, borrowed until filter_check() */
        json_object *labels; /* its own copy; NULL: any */
} Filter;

#define FILTER_ANY                                                                                 \
        {                                                                                          \
                .owner = -1, .state = _VM_STATE_MAX                                                \
        }

/* The parameters of a method whose target has a Filter `member`; filter_check() comes after. */
#define FILTER_FIELDS(type, member)                                                                \
        {"namePrefix", JSON_STRING, offsetof(type, member.name_prefix)},                           \
                {"id", JSON_STRING, offsetof(type, member.id)},                                    \
                {"platform", JSON_STRING, offsetof(type, member.platform)},                        \
                {"state", JSON_STRING, offsetof(type, member.state_name)},                         \
                {"owner", JSON_INT, offsetof(type, member.owner), 0, 0, UINT32_MAX - 1},           \
        {                                                                                          \
                "labels", JSON_MAP, offsetof(type, member.given)                                   \
        }

/* Checks what the call has given and copies its labels, before the call's handler returns. Returns
 * 0, InvalidParameter if `state` does not name a state or `id` is not a UUID, or SystemError. */
int filter_check(Filter *filter, CvmError *error);
void filter_done(Filter *filter);

bool filter_matches_vm(const Filter *filter, const Vm *vm);
/* The same for an event: `state` is the one that the CVM entered. */
bool filter_matches_event(const Filter *filter, const Event *event);
