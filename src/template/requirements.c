/* SPDX-License-Identifier: Apache-2.0 */

/* What a launch of a template lacks on this host and of these inputs. */

#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/text.h"
#include "template/requirements.h"

/* Adds the check's result unless it passed or is listed already. */
static int add_host_check(const PlanInputs *inputs, const char *name, HostCheckList *missing)
{
        _cleanup_(host_check_done) HostCheck check = {};
        int r;

        for (size_t i = 0; i < missing->n; i++)
                if (strcmp(missing->items[i].name, name) == 0)
                        return 0;
        r = host_check(inputs->host, name, &check);
        return r < 0 || check.passed ? r : host_check_list_add(missing, &check);
}

static int requirements_add_host_checks(Walk *walk, const PlanInputs *inputs,
                                        HostCheckList *missing)
{
        int r = 0;

        for (char **name = walk->template->host_checks; r == 0 && *name; name++)
                r = add_host_check(inputs, *name, missing);
        if (r == 0 && inputs->kvm && !inputs->host->has_kvm)
                r = add_host_check(inputs, "kvm", missing);
        if (r == 0 && inputs->spec->n_gpus) /* VFIO pins all of the guest's memory */
                r = add_host_check(inputs, "memlock", missing);
        if (r == 0 && (inputs->vsock || launch_plan_fd(walk->plan, "vhost-vsock") >= 0))
                r = add_host_check(inputs, "vhost-vsock", missing);
        if (r == 0 && walk->used_cbitpos && inputs->host->cbitpos == 0)
                r = host_check_list_add_new(
                        missing, "cbitpos", "unknown; 51 is shown instead",
                        "the C-bit position of this host's CPU (CPUID 0x8000001F)", false,
                        "run this command on the SEV-SNP host itself");
        return r;
}

int requirements_check_artifact_path(const Template *template, SpecArtifactKind kind, bool there,
                                     HostCheck *ret)
{
        const TemplateArtifact *artifact = &template->artifacts[kind];
        _cleanup_(host_check_done) HostCheck check = {
                .name = strdup(spec_artifact_kind_name(kind)),
                .passed = there,
        };

        if (!check.name ||
            !(check.found = text_format(check.passed ? "%s" : "no %s", artifact->path)))
                return -ENOMEM;
        check.needed = strdup("a file, by default the host's");
        if (!check.passed &&
            !(check.fix = text_format("install the package %s, or give a file in the spec",
                                      artifact->package ?: "that brings it")))
                check.fix = NULL;
        if (!check.needed || (!check.passed && !check.fix))
                return -ENOMEM;
        *ret = TAKE_STRUCT(check);
        return 0;
}

static int add_artifact(Walk *walk, SpecArtifactKind kind, bool debug, HostCheckList *missing)
{
        const char *name = spec_artifact_kind_name(kind);
        const char *embedded = template_default_artifact(walk->template, kind, debug);
        const char *path = template_default_path(walk->template, kind);
        _cleanup_free_ char *found = NULL, *fix = NULL;

        if (path) {
                _cleanup_(host_check_done) HostCheck check = {};
                int r = requirements_check_artifact_path(walk->template, kind, false, &check);

                return r < 0 ? r : host_check_list_add(missing, &check);
        }

        if (!embedded)
                return host_check_list_add_new(missing, name, "none given", "a file", false,
                                               "give a file in the spec");
        found = text_format("none given, and this cvmd has no '%s', neither embedded nor installed",
                            embedded);
        if (!found) {
                return -ENOMEM;
        }
        fix = text_format("give a file in the spec (cvmctl --%s FILE), install one (guest in "
                          "cvmd.conf(5)), or "
                          "build cvmd with -D%s=FILE",
                          name, embedded);
        if (!fix) {
                return -ENOMEM;
        }
        return host_check_list_add_new(missing, name, found, "a file", false, fix);
}

static void refuse_service(Walk *walk, const char *field)
{
        fault_add(walk->error, field,
                  "the IGVM file is for a service VM (highest VTL 0), which boots no kernel: omit "
                  "it");
}

/* What a service VM's IGVM file has no use for. */
static void requirements_check_service(Walk *walk, const PlanInputs *inputs)
{
        static const SpecArtifactKind kinds[] = {ARTIFACT_KERNEL, ARTIFACT_INITRAMFS};

        if (!inputs->igvm.service)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (inputs->spec->artifacts[kinds[i]].given)
                        refuse_service(walk, spec_artifact_kind_name(kinds[i]));
        if (inputs->spec->image.name)
                refuse_service(walk, "image");
        if (inputs->spec->cmdline)
                refuse_service(walk, "cmdline");
}

static bool mentions(const LaunchPlan *plan, const char *text)
{
        for (size_t i = 0; i < plan->argc; i++)
                if (strstr(plan->argv[i], text))
                        return true;
        return false;
}

/* A template may have several networks: each must be closed. */
static bool restricts_network(const LaunchPlan *plan)
{
        bool found = false;

        for (size_t i = 1; i < plan->argc; i++) {
                if (strcmp(plan->argv[i - 1], "-netdev") != 0)
                        continue;
                if (!strstr(plan->argv[i], ",restrict=on"))
                        return false;
                found = true;
        }
        return found;
}

static void requirements_check_network(Walk *walk, SpecNetwork network)
{
        static const char *const descriptors[] = {
                [SPEC_NETWORK_PASST] = "companion:passt",
                [SPEC_NETWORK_BRIDGE] = "tap",
                [SPEC_NETWORK_TAP] = "tap",
        };
        const char *what = descriptors[network];
        bool is_there = network != SPEC_NETWORK_ISOLATED || restricts_network(walk->plan);

        if ((!what && is_there) || (what && launch_plan_fd(walk->plan, what) >= 0))
                return;
        fault_add(walk->error, "network",
                  "the template of platform %s does not support this network",
                  walk->template->name);
}

/* What a template leaves out would be missing silently: a fragment is included or not. */
static void check_used(Walk *walk, const PlanInputs *inputs)
{
        const CvmSpec *spec = inputs->spec;
        char field[32], what[sizeof("disk:") + SPEC_DISK_ID_MAX];

        for (size_t i = 0; i < spec->n_disks; i++) {
                snprintf(what, sizeof(what), "disk:%s", spec->disks[i].id);
                snprintf(field, sizeof(field), "disks[%zu]", i);
                if (launch_plan_fd(walk->plan, what) < 0)
                        fault_add(walk->error, field,
                                  "the template of platform %s does not support disks",
                                  walk->template->name);
        }
        for (size_t i = 0; i < spec->n_gpus; i++) {
                snprintf(field, sizeof(field), "gpus[%zu]", i);
                if (!mentions(walk->plan, spec->gpus[i]))
                        fault_add(walk->error, field,
                                  "the template of platform %s does not support GPUs",
                                  walk->template->name);
        }
        requirements_check_network(walk, spec->network);
}

static bool attests(const LaunchPlan *plan, const char *url)
{
        for (size_t i = 0; i < plan->n_companions; i++)
                if (mentions(plan->companions[i].command, url))
                        return true;
        return false;
}

static void requirements_check_svsm(Walk *walk, const CvmSpec *spec)
{
        size_t disk = spec_svsm_disk(spec);
        char field[32] = "svsm";

        if (disk != SIZE_MAX)
                snprintf(field, sizeof(field), "disks[%zu].bus", disk);
        if ((disk != SIZE_MAX || spec->svsm.given) && !walk->template->requires_svsm) {
                fault_add(walk->error, field, "platform %s does not have an SVSM",
                          walk->template->name);
                return;
        }
        if (spec->svsm.log && launch_plan_fd(walk->plan, "svsm-log") < 0)
                fault_add(walk->error, "svsm.log",
                          "the template of platform %s does not support it", walk->template->name);
        if (spec->svsm.url && !attests(walk->plan, spec->svsm.url))
                fault_add(walk->error, "svsm.attestation",
                          "the template of platform %s does not have an attestation proxy",
                          walk->template->name);
}

/* What only QEMU as a child of the daemon supports. */
static void requirements_check_domain(Walk *walk, const CvmSpec *spec)
{
        if (spec->n_shares)
                fault_add(walk->error, "shares",
                          "not supported with driver libvirt: its QEMU opens a directory by path, "
                          "which may lead elsewhere by then than when your rights were checked");
        if (spec_has_limits(spec))
                fault_add(walk->error, "limits",
                          "not supported with driver libvirt: libvirt places its QEMUs in control "
                          "groups of its own");
        if (spec->n_gpus)
                fault_add(walk->error, "gpus", "not supported with driver libvirt");
        if (spec->n_disks)
                fault_add(walk->error, "disks",
                          "not supported with driver libvirt: its QEMU opens a file by path, which "
                          "may lead elsewhere by then than when your rights were checked");
        if (spec->network == SPEC_NETWORK_PASST)
                fault_add(walk->error, "network",
                          "driver libvirt does not support 'passt': use 'user', for which it uses "
                          "passt if it can");
        if (spec->network == SPEC_NETWORK_ISOLATED)
                fault_add(walk->error, "network",
                          "driver libvirt does not support 'isolated': use a bridge that libvirt "
                          "isolates");
        if (spec->svsm.given)
                fault_add(walk->error, "svsm", "not supported with driver libvirt");
}

/* All contradictions between the spec and its platform or driver. */
static int requirements_check_spec(Walk *walk, const PlanInputs *inputs)
{
        const Template *template = walk->template;

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (spec_gives_artifact(inputs->spec, kind) && !template->artifacts[kind].taken)
                        fault_add(walk->error,
                                  spec_image_has(inputs->spec, kind)
                                          ? "image"
                                          : spec_artifact_kind_name(kind),
                                  "platform %s does not accept it", template->name);
        if (inputs->domain)
                requirements_check_domain(walk, inputs->spec);
        else
                check_used(walk, inputs);
        requirements_check_svsm(walk, inputs->spec);
        requirements_check_service(walk, inputs);
        return security_check(template, inputs, walk->error);
}

int requirements_check(Walk *walk, const PlanInputs *inputs)
{
        const Template *template = walk->template;
        HostCheckList *missing = &walk->plan->missing;
        int r = requirements_check_spec(walk, inputs);
        if (r < 0)
                return r;
        r = requirements_add_host_checks(walk, inputs, missing);
        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++)
                if (plan_needs_artifact(template, inputs, kind) && !inputs->artifacts[kind].present)
                        r = add_artifact(walk, kind, inputs->spec->debug, missing);
        return r < 0 ? walk_no_memory(walk) : 0;
}
