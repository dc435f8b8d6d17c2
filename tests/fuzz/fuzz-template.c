/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Templates: one, or {"template": …, "fragments": …}, beside the built-in fragments. What loading
 * refuses has a reason and a message; what it accepts renders the largest launch, or is refused for
 * its size, or because it leaves out disks or GPUs; the plan is well-formed and the same a second
 * time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/plan-inputs.h"
#include "base/text.h"
#include "fuzz.h"
#include "template/template_internal.h"

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_refusal(const CvmError *error)
{
        _cleanup_free_ char *message = cvm_error_message(error);
        const char *reason = json_member_string(error->fields, "reason");

        require(error->id == CVM_ERROR_TEMPLATE_INVALID && reason && *reason && message);
        require(json_member_string(error->fields, "template"));
}

static void check_plan(const LaunchPlan *plan)
{
        size_t bytes = 0;

        require(plan->argc >= 1 && plan->argc <= RENDER_ARGUMENTS_MAX && !plan->argv[plan->argc]);
        for (size_t i = 1; i < plan->argc; i++)
                bytes += strlen(plan->argv[i]);
        require(bytes <= RENDER_BYTES_MAX + plan->argc);
        for (size_t i = 0; i < plan->n_descriptors; i++) {
                require(plan->descriptors[i].number == PLAN_FD_FIRST + (int)i);
                require(launch_plan_fd(plan, plan->descriptors[i].what) == PLAN_FD_FIRST + (int)i);
        }
        for (char **device = plan->devices; *device; device++)
                require(**device == '/');
        for (size_t i = 0; i < plan->missing.n; i++)
                require(!plan->missing.items[i].passed);
}

static void check_render(const TemplateSet *set, const Template *template)
{
        _cleanup_(cvm_error_done) CvmError error = {}, error_again = {};
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL, *again = NULL;
        _cleanup_json_ json_object *object = NULL, *object_again = NULL;
        Launch launch;
        int r;

        launch_full(&launch);
        r = template_render(set, template, &launch.inputs, &plan, &error);
        require(template_render(set, template, &launch.inputs, &again, &error_again) == r);
        if (r < 0) {
                const char *reason = json_member_string(error.fields, "reason");

                if (error.id == CVM_ERROR_INVALID_SPEC) { /* it has no place for what there is */
                        require(strstr(reason, "does not support"));
                        return;
                }
                check_refusal(&error);
                require(strstr(reason, "more than") || strstr(reason, "longer than") ||
                        strstr(reason, "an argument of"));
                return;
        }
        check_plan(plan);
        object = launch_plan_to_json(plan, &launch.inputs);
        object_again = launch_plan_to_json(again, &launch.inputs);
        require(strcmp(json_text(object), json_text(object_again)) == 0);
}

static int add(TemplateSet *set, const char *file, json_object *object, const uint8_t *data,
               size_t size, CvmError *error)
{
        const char *text = object ? json_text(object) : (const char *)data;

        return template_set_add_file(set, file, "/etc/f.json", text, object ? strlen(text) : size,
                                     error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(template_set_freep) TemplateSet *set = template_set_new();
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *file = NULL;
        json_object *template, *fragments;
        int r = 0;

        if (size > 65536)
                return 0;
        if (json_parse((const char *)data, size, &object, NULL) < 0)
                object = NULL;
        fragments = json_member(object, "fragments");
        template = fragments ? json_member(object, "template") : NULL;
        require(asprintf(&file, "%s.json",
                         json_member_string(template ?: object, "name") ?: "fragments") > 0);
        for (const BuiltinTemplate *b = builtin_templates; b->file; b++)
                if (strcmp(b->file, "fragments.json") == 0)
                        require(template_set_add_file(set, b->file, NULL, b->text, strlen(b->text),
                                                      &error) == 0);
        if (fragments)
                r = add(set, "fragments.json", fragments, NULL, 0, &error);
        if (r == 0)
                r = add(set, file, template, data, size, &error);
        if (r == 0)
                r = template_set_check(set, &error);
        if (r < 0)
                check_refusal(&error);
        for (size_t i = 0; r == 0 && i < template_set_size(set); i++)
                check_render(set, template_set_get(set, i));
        return 0;
}
