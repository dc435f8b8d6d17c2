/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "template/plan.h"

void workload_binding_done(WorkloadBinding *binding)
{
        free(binding->document);
        free(binding->base64);
        free(binding->hex);
        *binding = (WorkloadBinding){};
}

json_object *workload_binding_to_json(const WorkloadBinding *binding)
{
        if (!binding->field)
                return NULL;
        return json_build("field", json_new_text(binding->field), "value",
                          json_new_text(binding->hex), "document", json_new_text(binding->document),
                          NULL);
}
