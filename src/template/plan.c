/* SPDX-License-Identifier: Apache-2.0 */
#include "template/plan.h"

#include <string.h>

#include "base/json.h"
#include "template/template_internal.h"

static void strings_free(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

LaunchPlan *launch_plan_free(LaunchPlan *plan)
{
        if (!plan)
                return NULL;
        free(plan->domain);
        strings_free(plan->argv);
        strings_free(plan->devices);
        for (size_t i = 0; i < plan->n_companions; i++) {
                free(plan->companions[i].name);
                free(plan->companions[i].package);
                launch_plan_free(plan->companions[i].command);
        }
        for (size_t i = 0; i < plan->n_descriptors; i++)
                free(plan->descriptors[i].what);
        free(plan->descriptors);
        workload_binding_done(&plan->binding);
        host_check_list_done(&plan->missing);
        free(plan);
        return NULL;
}

int launch_plan_fd(const LaunchPlan *plan, const char *what)
{
        for (size_t i = 0; i < plan->n_descriptors; i++)
                if (strcmp(plan->descriptors[i].what, what) == 0)
                        return plan->descriptors[i].number;
        return -1;
}

bool plan_needs_artifact(const Template *template, const PlanInputs *inputs, SpecArtifactKind kind)
{
        bool boots = kind == ARTIFACT_KERNEL || kind == ARTIFACT_INITRAMFS;

        return template->artifacts[kind].needed && !(inputs->igvm.service && boots);
}

static json_object *descriptor_to_json(const PlanDescriptor *descriptor, const PlanInputs *inputs)
{
        json_object *object = json_build("number", json_object_new_int(descriptor->number), "what",
                                         json_new_text(descriptor->what), NULL);
        const char *path = NULL, *sha256 = NULL;

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (strcmp(descriptor->what, spec_artifact_kind_name(kind)) == 0) {
                        path = inputs->artifacts[kind].path;
                        sha256 = inputs->artifacts[kind].sha256;
                }
        for (size_t i = 0; i < inputs->spec->n_shares; i++)
                if (strncmp(descriptor->what, "share:", 6) == 0 &&
                    strcmp(descriptor->what + 6, inputs->spec->shares[i].tag) == 0)
                        path = inputs->spec->shares[i].path;
        for (size_t i = 0; i < inputs->spec->n_disks; i++)
                if (strncmp(descriptor->what, "disk:", 5) == 0 &&
                    strcmp(descriptor->what + 5, inputs->spec->disks[i].id) == 0)
                        path = inputs->spec->disks[i].path;
        if (path)
                json_object_object_add(object, "path", json_new_text(path));
        if (sha256)
                json_object_object_add(object, "sha256", json_new_text(sha256));
        return object;
}

/* Adds argv and descriptors. */
static void add_command(json_object *object, const LaunchPlan *plan, const PlanInputs *inputs)
{
        json_object *argv = json_object_new_array(), *descriptors = json_object_new_array();

        for (size_t i = 0; i < plan->argc; i++)
                json_object_array_add(argv, json_new_text(plan->argv[i]));
        for (size_t i = 0; i < plan->n_descriptors; i++)
                json_object_array_add(descriptors,
                                      descriptor_to_json(&plan->descriptors[i], inputs));
        json_object_object_add(object, "argv", argv);
        json_object_object_add(object, "descriptors", descriptors);
}

json_object *launch_plan_to_json(const LaunchPlan *plan, const PlanInputs *inputs)
{
        json_object *object = json_object_new_object(), *companions = json_object_new_array();

        add_command(object, plan, inputs);
        for (size_t i = 0; i < plan->n_companions; i++) {
                const PlanCompanion *companion = &plan->companions[i];
                json_object *one = json_build("name", json_new_text(companion->name), NULL);

                add_command(one, companion->command, inputs);
                json_object_array_add(companions, one);
        }
        json_object_object_add(object, "companions", companions);
        if (plan->domain)
                json_object_object_add(object, "domain", json_new_text(plan->domain));
        json_object_object_add(object, "missing", host_check_list_to_json(&plan->missing));
        if (plan->binding.field)
                json_object_object_add(object, "binding", workload_binding_to_json(&plan->binding));
        return object;
}
