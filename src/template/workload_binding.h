/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a launch was bound to. */

#include <json-c/json.h>

/* What `bindWorkload` has bound the launch to; see cvm-spec(5). */
typedef struct WorkloadBinding {
        const char *field;  /* of launchSecurity; NULL: nothing is bound */
        char *base64, *hex; /* the digest */
        char *document;     /* whose digest it is: canonical JSON */
} WorkloadBinding;

/* The interface's type Binding; NULL: nothing is bound. */
void workload_binding_done(WorkloadBinding *binding);
json_object *workload_binding_to_json(const WorkloadBinding *binding);
