/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/inputs.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "host/qemu_needs.h"
#include "launch/gpu_access.h"
#include "manager/platform.h"

void prepared_inputs_done(PreparedInputs *prepared)
{
        free(prepared->qemu);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                free(prepared->sha256[i]);
        domain_inputs_done(&prepared->domain);
        *prepared = (PreparedInputs){};
}

int inputs_prepare(const Manager *manager, const CvmSpec *spec, const Allotment *allotment,
                   const Loaded *loaded, Artifact *const *artifacts, PreparedInputs *ret)
{
        _cleanup_(prepared_inputs_done) PreparedInputs prepared = {};
        const DriverHome *driver = drivers_find(&manager->home.drivers, spec->driver);
        const Template *template = allotment->template;

        if (allotment->qemu)
                prepared.qemu = strdup(allotment->qemu);
        else
                prepared.qemu = text_format("/usr/bin/%s", template_qemu(template));
        if (!prepared.qemu)
                return -ENOMEM;
        prepared.inputs = (PlanInputs){
                .spec = spec,
                .host = loaded->host ?: allotment->host,
                .qemu = prepared.qemu,
                .id = allotment->id,
                .cpus = allotment->cpus,
                .memory = allotment->memory,
                .forwards = allotment->forwards,
                .n_forwards = allotment->n_forwards,
                .vsock = allotment->vsock && !spec_svsm_has_vsock(spec),
                .vsock_cid = allotment->vsock_cid,
                .notify_port = allotment->notify_port,
                .cmdline = allotment->cmdline,
                .kvm = platform_use_kvm(manager),
        };
        for (size_t i = 0; i < spec->n_disks; i++)
                prepared.inputs.disk_is_device[i] = loaded->disks[i].identity.block;
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const SpecArtifact *from = &spec->artifacts[kind];
                PlanArtifact *to = &prepared.inputs.artifacts[kind];

                /* One that was named and failed to load still has its place in the plan. */
                to->present = artifacts[kind] || from->path || from->fd >= 0 || from->name ||
                              spec_image_has(spec, kind);
                to->path = from->path ?: loaded->image.paths[kind];
                if (artifacts[kind] && !artifact_is_own(artifacts[kind]) && from->fd < 0 &&
                    !to->path && !spec_image_has(spec, kind))
                        to->path = template_default_path(template, kind);
                if (!artifacts[kind])
                        continue;
                prepared.sha256[kind] = text_hex(artifacts[kind]->digest.sha256, SHA256_SIZE);
                if (!prepared.sha256[kind])
                        return -ENOMEM;
                to->sha256 = prepared.sha256[kind];
        }
        if (driver && driver->ops->traits.domain &&
            domain_inputs_init(&prepared.domain, manager, spec, allotment, prepared.sha256) < 0)
                return -ENOMEM;
        *ret = TAKE_STRUCT(prepared);
        if (driver && driver->ops->traits.domain) {
                if (driver->ops->fit_domain)
                        driver->ops->fit_domain(loaded->driver, &ret->domain.domain);
                ret->inputs.domain = &ret->domain.domain; /* ret stays where it is */
        }
        return 0;
}

static int check_qemu(const PlanInputs *inputs, HostCheckList *missing)
{
        if (access(inputs->qemu, X_OK) == 0)
                return 0;
        return host_check_list_add_new(missing, "qemu", "missing", inputs->qemu, false,
                                       "install the package qemu-system-x86, or set the binary's "
                                       "path in cvmd.conf (qemu)");
}

/* Puts the path of each companion's program in the plan, if there is one. */
static int find_companions(const Manager *manager, LaunchPlan *plan)
{
        for (size_t i = 0; i < plan->n_companions; i++) {
                PlanCompanion *companion = &plan->companions[i];
                char **program = &companion->command->argv[0];
                _cleanup_free_ char *path = config_program(manager->home.config, *program);
                _cleanup_(host_check_done) HostCheck check = {};
                int r;

                r = host_check_program(*program, path, companion->package, &check);
                if (r == 0 && !check.passed)
                        r = host_check_list_add(&plan->missing, &check);
                if (r < 0)
                        return r;
                if (path) {
                        free(*program);
                        *program = TAKE_PTR(path);
                }
        }
        return 0;
}

/* Root's daemon gives each QEMU a uid of its own, and the groups of its devices. */
static int check_devices(const Manager *manager, LaunchPlan *plan)
{
        for (char **device = plan->devices; *device; device++) {
                _cleanup_(host_check_done) HostCheck check = {};
                int r = host_check_device("", *device, manager->privileged, &check);

                if (r == 0 && !check.passed)
                        r = host_check_list_add(&plan->missing, &check);
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

static int check_artifacts(const Loaded *loaded, HostCheckList *missing)
{
        int r = 0;

        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++) {
                const CvmError *error = &loaded->artifact_errors[kind];
                _cleanup_free_ char *message = NULL;

                if (!cvm_error_is_set(error))
                        continue;
                message = cvm_error_message(error);
                r = host_check_list_add_new(missing, spec_artifact_kind_name(kind),
                                            message ?: "unusable", "a usable file", false, NULL);
        }
        return r;
}

static int check_measure(const Loaded *loaded, HostCheckList *missing)
{
        _cleanup_free_ char *message = NULL;

        if (!cvm_error_is_set(&loaded->measure_error))
                return 0;
        message = cvm_error_message(&loaded->measure_error);
        return host_check_list_add_new(missing, "measurement", message ?: "not possible",
                                       "files that the platform can measure", false, NULL);
}

/* A render asks no driver. */
static int inputs_check_driver(const Manager *manager, const Template *template,
                               const Loaded *loaded, HostCheckList *missing)
{
        const DriverProbe *probe = loaded->driver;

        if (!probe || !probe->ops->check)
                return 0;
        return probe->ops->check(drivers_home(&manager->home.drivers, probe->ops), probe,
                                 manager->templates, template, missing);
}

static int inputs_check_network(const Manager *manager, const CvmSpec *spec, HostCheckList *missing)
{
        bool bridge = spec->network == SPEC_NETWORK_BRIDGE;

        if (!bridge && spec->network != SPEC_NETWORK_TAP)
                return 0;
        if (!(bridge ? config_allows_bridge(manager->home.config, spec->interface)
                     : config_allows_tap(manager->home.config, spec->interface)))
                return host_check_list_add_new(missing, bridge ? "bridge" : "tap", spec->interface,
                                               "an interface that cvmd.conf allows", false,
                                               bridge ? "add it to network.bridges in cvmd.conf"
                                                      : "add it to network.taps in cvmd.conf");
        if (if_nametoindex(spec->interface) != 0)
                return 0;
        return host_check_list_add_new(
                missing, bridge ? "bridge" : "tap", "no interface has that name", spec->interface,
                false,
                bridge ? "create it with `ip link add NAME type bridge`, or use another name"
                       : "create it with `ip tuntap add dev NAME mode tap`, or use another name");
}

int inputs_render(const Manager *manager, const Allotment *allotment,
                  const PreparedInputs *prepared, const Loaded *loaded, LaunchPlan **ret,
                  CvmError *error)
{
        const Template *template = allotment->template;
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        PlanInputs inputs = prepared->inputs;
        int r;

        inputs.igvm = loaded->igvm;
        inputs.planes = loaded->qemu && qemu_probe_has_machine(loaded->qemu, "q35", "device-plane");
        if (inputs.igvm.service && !inputs.spec->cmdline)
                inputs.cmdline = "";
        r = template_render(manager->templates, template, &inputs, &plan, error);
        if (r < 0)
                return r;
        r = check_qemu(&prepared->inputs, &plan->missing);
        if (r == 0)
                r = find_companions(manager, plan);
        if (r == 0 && loaded->qemu)
                r = qemu_needs_check(loaded->qemu, prepared->inputs.qemu,
                                     template_requires_qemu(template), &plan->missing);
        if (r == 0 && loaded->qemu && spec_svsm_has_devices(inputs.spec))
                r = qemu_needs_check(loaded->qemu, prepared->inputs.qemu,
                                     template_requires_svsm(template), &plan->missing);
        if (r == 0)
                r = plan_check_machine(plan, template, &inputs, loaded->qemu, &plan->missing);
        if (r == 0)
                r = gpu_access_check(manager->home.config, "", prepared->inputs.spec, plan);
        if (r == 0)
                r = check_devices(manager, plan);
        if (r == 0)
                r = inputs_check_driver(manager, template, loaded, &plan->missing);
        if (r == 0)
                r = check_artifacts(loaded, &plan->missing);
        if (r == 0)
                r = check_measure(loaded, &plan->missing);
        if (r == 0)
                r = inputs_check_network(manager, prepared->inputs.spec, &plan->missing);
        if (r < 0)
                return cvm_error_system(error, r, "render");
        *ret = TAKE_PTR(plan);
        return 0;
}
