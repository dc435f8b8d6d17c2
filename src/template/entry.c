/* SPDX-License-Identifier: Apache-2.0 */

/* Where walks begin: the render of a launch, and the check of a set that was loaded. */

#include <string.h>

#include "template/walk.h"

static void walk_done(Walk *walk)
{
        json_object_put(walk->variables);
        launch_plan_free(walk->plan);
        buffer_done(&walk->path);
}

static int walk_init(Walk *walk, const PlanInputs *inputs)
{
        walk->document = walk->template->document;
        walk->variables = variables_new(walk->template, inputs);
        walk->plan = calloc(1, sizeof(*walk->plan));
        if (!walk->variables || !walk->plan)
                return walk_no_memory(walk);
        walk->plan->argv = calloc(2, sizeof(char *));
        if (!walk->plan->argv || !(walk->plan->argv[0] = strdup(inputs->qemu)))
                return walk_no_memory(walk);
        walk->plan->argc = 1;
        return 0;
}

int template_render(const TemplateSet *set, const Template *template, const PlanInputs *inputs,
                    LaunchPlan **ret, CvmError *error)
{
        _cleanup_(walk_done) Walk walk = {.set = set, .template = template, .error = error};
        int r = walk_init(&walk, inputs);

        if (r == 0)
                r = render_template(&walk);
        if (r == 0)
                r = requirements_check(&walk, inputs);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(walk.plan);
        return 0;
}

/* Each template is walked with a launch in which there is one of everything. */
int template_set_check(const TemplateSet *set, CvmError *error)
{
        SpecShare share = {.tag = (char *)"data", .path = (char *)"/data", .fd = -1};
        SpecForward forward = {
                .address = (char *)"127.0.0.1", .host_port = 6100, .guest_port = SPEC_AGENT_PORT};
        CvmSpec spec = {.name = (char *)"check",
                        .platform = (char *)"auto",
                        .shares = &share,
                        .n_shares = 1,
                        .network = SPEC_NETWORK_USER};
        HostFacts host = {.cbitpos = CBITPOS_ASSUMED};
        const PlanInputs inputs = {
                .spec = &spec,
                .host = &host,
                .qemu = "qemu",
                .id = "00000000-0000-0000-0000-000000000000",
                .cpus = 1,
                .memory = SPEC_MEMORY_MIN,
                .forwards = &forward,
                .n_forwards = 1,
                .vsock = true,
                .vsock_cid = 3,
                .notify_port = 1,
                .cmdline = "quiet",
                .kvm = true,
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < template_set_size(set); i++) {
                _cleanup_(walk_done) Walk walk = {.set = set,
                                                  .template = template_set_get(set, i),
                                                  .check = true,
                                                  .error = error};

                r = walk_init(&walk, &inputs);
                if (r == 0)
                        r = render_template(&walk);
        }
        return r;
}
