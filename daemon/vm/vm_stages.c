/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_stages.h"

#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

void vm_stages_done(VmStages *stages)
{
        free(stages->items);
        *stages = (VmStages){};
}

void vm_stages_reset(VmStages *stages)
{
        vm_stages_done(stages);
}

static VmStage *vm_stages_in_progress(VmStages *stages)
{
        VmStage *last = stages->n ? &stages->items[stages->n - 1] : NULL;

        return last && last->usec < 0 ? last : NULL;
}

static int vm_stages_add(VmStages *stages, const VmStage *stage)
{
        VmStage *items;

        if (stages->n >= VM_STAGES_MAX)
                return -E2BIG;
        items = reallocarray(stages->items, stages->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        stages->items = items;
        stages->items[stages->n++] = *stage;
        return 0;
}

void vm_stages_begin(VmStages *stages, const char *name, uint64_t nsec)
{
        uint64_t now = uv_hrtime();
        VmStage stage = {.usec = -1};

        vm_stages_end(stages, false);
        (void)text_copy(stage.name, sizeof(stage.name), name);
        stage.at = clock_now_usec() - (int64_t)((now - nsec) / 1000);
        stages->begun_nsec = nsec;
        (void)vm_stages_add(stages, &stage);
}

void vm_stages_end(VmStages *stages, bool failed)
{
        VmStage *stage = vm_stages_in_progress(stages);

        if (!stage)
                return;
        stage->usec = (int64_t)((uv_hrtime() - stages->begun_nsec) / 1000);
        stage->failed = failed;
}

void vm_stages_drop(VmStages *stages)
{
        if (vm_stages_in_progress(stages))
                stages->n--;
}

int64_t vm_stages_begun(const VmStages *stages, const char *name)
{
        for (size_t i = stages->n; i > 0; i--)
                if (strcmp(stages->items[i - 1].name, name) == 0)
                        return stages->items[i - 1].at;
        return 0;
}

json_object *vm_stages_to_json(const VmStages *stages)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < stages->n; i++) {
                const VmStage *stage = &stages->items[i];

                json_object_array_add(
                        array,
                        json_build("name", json_object_new_string(stage->name), "at",
                                   json_object_new_int64(stage->at), "durationUsec",
                                   stage->usec < 0 ? NULL : json_object_new_int64(stage->usec),
                                   "failed", stage->failed ? json_object_new_boolean(true) : NULL,
                                   NULL));
        }
        return array;
}

static bool vm_stage_load(VmStage *stage, json_object *recorded)
{
        const char *name = json_member_string(recorded, "name");
        size_t size = name ? strlen(name) : 0;

        if (size == 0 || size > VM_STAGE_NAME_MAX ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz") != size)
                return false;
        memcpy(stage->name, name, size);
        stage->at = json_member_int(recorded, "at", 0);
        stage->usec = json_member_int(recorded, "durationUsec", -1);
        stage->failed = json_member_bool(recorded, "failed", false);
        return stage->at > 0 && stage->usec >= -1;
}

void vm_stages_load(VmStages *stages, json_object *recorded)
{
        size_t n = json_object_is_type(recorded, json_type_array)
                           ? json_object_array_length(recorded)
                           : 0;

        for (size_t i = 0; i < n; i++) {
                VmStage stage = {};

                if (!vm_stage_load(&stage, json_object_array_get_idx(recorded, i)) ||
                    vm_stages_add(stages, &stage) < 0)
                        return;
        }
}
