/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "spec/spec_internal.h"

/* Those of cgroup v2's cpu.weight (systemd.resource-control(5)). */
#define CPU_WEIGHT_MAX 10000
/* A QEMU has a thread a vCPU and some of its own before the guest does anything. */
#define TASKS_MIN 32
#define TASKS_MAX 4194304 /* the kernel's PID_MAX_LIMIT */

typedef struct Input {
        SpecLimits limits;
        char *memory_high, *memory_max;
} Input;

static const JsonField fields[] = {
        {"memoryHigh", JSON_SIZE, offsetof(Input, memory_high)},
        {"memoryMax", JSON_SIZE, offsetof(Input, memory_max)},
        {"cpuWeight", JSON_UINT32, offsetof(Input, limits.cpu_weight), 0, 1, CPU_WEIGHT_MAX},
        {"tasksMax", JSON_UINT32, offsetof(Input, limits.tasks_max), 0, TASKS_MIN, TASKS_MAX},
        {},
};

/* *ret stays 0 after a fault, so that nothing is compared with it. */
static int spec_limits_parse_size(const char *text, const char *field, uint64_t *ret,
                                  CvmError *error)
{
        uint64_t size = 0;
        int r = text ? text_parse_size(text, &size) : 0;

        if (r == -ENOMEM)
                return r;
        if (r < 0 || (text && (size < SPEC_MEMORY_MIN || size > INT64_MAX)))
                return fault_add(error, field, "must be a size of at least 64M, for example '3G'");
        *ret = size;
        return 0;
}

int spec_parse_limits(json_object *object, CvmSpec *spec, CvmError *error)
{
        Input input = {};
        int r;

        if (!object)
                return 0;
        r = spec_dispatch(object, fields, &input, "limits", error);
        if (r >= 0)
                r = spec_limits_parse_size(input.memory_high, "limits.memoryHigh",
                                           &input.limits.memory_high, error);
        if (r >= 0)
                r = spec_limits_parse_size(input.memory_max, "limits.memoryMax",
                                           &input.limits.memory_max, error);
        free(input.memory_high);
        free(input.memory_max);
        if (r < 0)
                return r;
        spec->limits = input.limits;
        if (spec->memory)
                spec_check_limits(spec, spec->memory, error);
        return 0;
}

bool spec_has_limits(const CvmSpec *spec)
{
        const SpecLimits *limits = &spec->limits;

        return limits->memory_high || limits->memory_max || limits->cpu_weight || limits->tasks_max;
}

bool spec_limits_equal(const SpecLimits *a, const SpecLimits *b)
{
        return a->memory_high == b->memory_high && a->memory_max == b->memory_max &&
               a->cpu_weight == b->cpu_weight && a->tasks_max == b->tasks_max;
}

int spec_check_limits(const CvmSpec *spec, uint64_t memory, CvmError *error)
{
        const SpecLimits *limits = &spec->limits;

        if (limits->memory_max && limits->memory_max <= memory)
                fault_add(error, "limits.memoryMax",
                          "must be more than the CVM's memory, because QEMU uses memory of its "
                          "own");
        if (limits->memory_max && limits->memory_high > limits->memory_max)
                fault_add(error, "limits.memoryHigh", "must not be above limits.memoryMax");
        return fault_result(error);
}

json_object *spec_limits_to_json(const SpecLimits *limits)
{
        char high[24], max[24];

        return json_build(
                "memoryHigh",
                limits->memory_high ? json_new_text(text_format_size(limits->memory_high, high))
                                    : NULL,
                "memoryMax",
                limits->memory_max ? json_new_text(text_format_size(limits->memory_max, max))
                                   : NULL,
                "cpuWeight", limits->cpu_weight ? json_object_new_int64(limits->cpu_weight) : NULL,
                "tasksMax", limits->tasks_max ? json_object_new_int64(limits->tasks_max) : NULL,
                NULL);
}
