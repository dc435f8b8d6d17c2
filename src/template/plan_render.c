/* SPDX-License-Identifier: Apache-2.0 */

/* Where walks begin: the render of a launch, and the check of a set that was loaded. */

#include <string.h>

#include "template/domain.h"
#include "template/render.h"
#include "template/requirements.h"
#include "template/workload.h"

static void walk_done(Walk *walk)
{
        json_object_put(walk->variables);
        launch_plan_free(walk->plan);
        buffer_done(&walk->path);
}

/* The field that binds the workload gets its value as if the spec had given it. */
static int bind_workload(Walk *walk, const PlanInputs *inputs)
{
        WorkloadBinding *binding = &walk->plan->binding;
        int r;

        /* requirements_check() ends with the fault, after it has looked for others */
        if (workload_check(walk->template, inputs->spec, walk->error) < 0)
                return 0;
        r = workload_bind(walk->template, inputs, binding);
        if (r == -ENODATA) {
                r = host_check_list_add_new(&walk->plan->missing, "bindWorkload",
                                            "the digest of an artifact is unknown",
                                            "artifacts that can be read", false, NULL);
        } else if (r == 0 && binding->field) {
                json_object_object_add(json_member(walk->variables, "security"), binding->field,
                                       json_new_text(binding->base64));
        }
        return r < 0 ? cvm_error_system(walk->error, r, "bind the workload") : 0;
}

static int walk_init(Walk *walk, const PlanInputs *inputs)
{
        walk->document = walk->template->document;
        walk->by_path = inputs->domain != NULL;
        walk->variables = variables_new(walk->set, walk->template, inputs);
        walk->plan = calloc(1, sizeof(*walk->plan));
        if (!walk->variables || !walk->plan)
                return walk_no_memory(walk);
        walk->plan->argv = calloc(2, sizeof(char *));
        walk->plan->devices = inputs->domain ? calloc(1, sizeof(char *)) : NULL;
        if (!walk->plan->argv || (inputs->domain && !walk->plan->devices))
                return walk_no_memory(walk);
        if (inputs->domain)
                return 0;
        walk->plan->argv[0] = strdup(inputs->qemu);
        if (!walk->plan->argv[0])
                return walk_no_memory(walk);
        walk->plan->argc = 1;
        return 0;
}

static int template_render_plan(Walk *walk, const PlanInputs *inputs)
{
        const DomainFile *file;
        int r;

        if (!inputs->domain) {
                r = render_template(walk);
                return r < 0 ? r : render_companions(walk);
        }
        r = template_set_load_domains(walk->set, walk->error);
        if (r < 0)
                return r;
        file = template_set_domain(walk->set, walk->template->name);
        if (file) {
                r = domain_render(walk, file);
                return r < 0 ? r : render_companions(walk);
        }
        return cvm_error_invalid_spec(walk->error, "driver", "libvirt cannot run platform %s: %s",
                                      walk->template->name,
                                      walk->template->libvirt ?: "the template has no domain");
}

int template_render(const TemplateSet *set, const Template *template, const PlanInputs *inputs,
                    LaunchPlan **ret, CvmError *error)
{
        _cleanup_(walk_done) Walk walk = {.set = set, .template = template, .error = error};
        int r = walk_init(&walk, inputs);

        if (r == 0)
                r = bind_workload(&walk, inputs);
        if (r == 0)
                r = template_render_plan(&walk, inputs);
        if (r == 0)
                r = requirements_check(&walk, inputs);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(walk.plan);
        return 0;
}

static int template_check_pass(const TemplateSet *set, const Template *template, WalkCheck pass,
                               const PlanInputs *inputs, CvmError *error)
{
        _cleanup_(walk_done)
                Walk walk = {.set = set, .template = template, .check = pass, .error = error};
        int r = walk_init(&walk, inputs);

        return r < 0 ? r : template_render_plan(&walk, inputs);
}

static int check_template(const TemplateSet *set, const Template *template, const PlanInputs *all,
                          const PlanInputs *none, CvmError *error)
{
        int r = template_check_pass(set, template, WALK_CHECK_FULL, all, error);

        return r < 0 ? r : template_check_pass(set, template, WALK_CHECK_BARE, none, error);
}

/* Each template is walked with a launch in which there is one of everything, and with one in which
 * there is nothing. */
int template_set_check(const TemplateSet *set, CvmError *error)
{
        SpecShare share = {.tag = (char *)"data", .path = (char *)"/data", .fd = -1};
        SpecDisk disk = {.id = (char *)"disk0", .path = (char *)"/disk", .fd = -1};
        SpecForward forward = {
                .address = (char *)"127.0.0.1", .host_port = 6100, .guest_port = SPEC_AGENT_PORT};
        CvmSpec full = {.name = (char *)"check",
                        .platform = (char *)"auto",
                        .shares = &share,
                        .n_shares = 1,
                        .disks = &disk,
                        .n_disks = 1,
                        .gpus = {(char *)"0000:01:00.0"},
                        .n_gpus = 1,
                        .svsm = {.given = true,
                                 .log = true,
                                 .url = (char *)"https://kbs",
                                 .protocol = (char *)"kbs"},
                        .debug = true,
                        .network = SPEC_NETWORK_USER};
        CvmSpec bare = {
                .name = (char *)"check", .platform = (char *)"auto", .network = SPEC_NETWORK_NONE};
        HostFacts host = {.cbitpos = CBITPOS_ASSUMED};
        const PlanInputs none = {
                .spec = &bare,
                .host = &host,
                .qemu = "qemu",
                .id = "00000000-0000-0000-0000-000000000000",
                .cpus = 1,
                .memory = SPEC_MEMORY_MIN,
                .cmdline = "",
        };
        PlanInputs all = none, none_domain = none, all_domain;
        const PlanDomain domain = {.env_share = "/env",
                                   .certs_share = "/certs",
                                   .console = "/console",
                                   .notify = "/notify",
                                   .companions = "/vm",
                                   .spec_sha256 = ""};
        int r = 0;

        all.spec = &full;
        all.forwards = &forward;
        all.n_forwards = 1;
        all.vsock = all.kvm = true;
        all.vsock_cid = 3;
        all.notify_port = 1;
        all.cmdline = "quiet";
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                all.artifacts[kind].present = true;
        all_domain = all;
        all_domain.domain = none_domain.domain = &domain;
        for (size_t i = 0; r == 0 && i < template_set_size(set); i++) {
                const Template *template = template_set_get(set, i);

                r = check_template(set, template, &all, &none, error);
                if (r == 0 && template_set_domains_are_used(set) &&
                    template_set_has_domain(set, template))
                        r = check_template(set, template, &all_domain, &none_domain, error);
        }
        return r;
}
