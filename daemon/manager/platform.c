/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/platform.h"
#include "host/qemu_needs.h"

#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/suggest.h"

bool platform_use_kvm(const Manager *manager)
{
        ConfigAccelerator accelerator = manager->home.config->accelerator;

        if (accelerator == ACCELERATOR_AUTO)
                return manager->host->kvm_usable;
        return accelerator == ACCELERATOR_KVM;
}

static bool host_passes(const Manager *manager, const Template *template)
{
        for (const char *const *name = template_host_checks(template); *name; name++) {
                _cleanup_(host_check_done) HostCheck check = {};

                if (host_check(manager->host, *name, &check) < 0 || !check.passed)
                        return false;
        }
        return true;
}

/* As far as it is known: the platform's QEMU has what it needs. */
static bool qemu_can_run(const Manager *manager, const Template *template)
{
        _cleanup_free_ char *path =
                config_qemu(manager->home.config, template_name(template), template_qemu(template));
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe =
                path ? qemu_cache_peek(manager->qemus, path) : NULL;
        _cleanup_(host_check_list_done) HostCheckList missing = {};

        return !probe ||
               (qemu_needs_check(probe, path, template_requires_qemu(template), &missing) == 0 &&
                missing.n == 0);
}

static bool host_can_run(const Manager *manager, const Template *template)
{
        return host_passes(manager, template) && qemu_can_run(manager, template);
}

/* `auto` must know from the first launch on what QEMU lacks. Only on a host that could run a
 * confidential platform may the start wait once for QEMU's answer. */
void platforms_ask_qemus(Manager *manager)
{
        for (size_t i = 0; i < template_set_size(manager->templates); i++) {
                const Template *template = template_set_get(manager->templates, i);
                _cleanup_free_ char *path = NULL;

                if (!template_is_confidential(template) || !host_passes(manager, template))
                        continue;
                path = config_qemu(manager->home.config, template_name(template),
                                   template_qemu(template));
                if (path)
                        qemu_probe_unref(qemu_cache_get(manager->qemus, path));
        }
}

static bool platform_has_own(const Manager *manager, SpecArtifactKind kind, const char *name)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        _cleanup_(cvm_error_done) CvmError ignored = {};

        return artifact_store_find_own(manager->artifacts, kind, name, &artifact, &ignored) == 0;
}

/* Whether the CVM would have all that the template needs, from the spec or from the
 * daemon itself. */
static bool has_artifacts(const Manager *manager, const Template *template, const CvmSpec *spec)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = template_default_artifact(template, kind, spec && spec->debug);

                if (!template_needs_artifact(template, kind))
                        continue;
                if (spec && (spec->artifacts[kind].name || spec->artifacts[kind].path ||
                             spec->artifacts[kind].fd >= 0 || spec_image_has(spec, kind)))
                        continue;
                if (name && platform_has_own(manager, kind, name))
                        continue;
                if (!template_default_path(template, kind) ||
                    access(template_default_path(template, kind), R_OK) < 0)
                        return false;
        }
        return true;
}

bool platform_is_available(const Manager *manager, const Template *template)
{
        return host_can_run(manager, template) && has_artifacts(manager, template, NULL);
}

static int platform_refuse_unknown(const Manager *manager, const char *platform, CvmError *error)
{
        Suggestion best = suggest_begin(platform);

        for (size_t i = 0; i < template_set_size(manager->templates); i++)
                suggest_candidate(&best, template_name(template_set_get(manager->templates, i)));
        fault_add_near(error, "platform", best.found,
                       "unknown template '%s'; `cvmctl templates` lists the templates", platform);
        return -EINVAL;
}

int platform_choose(const Manager *manager, const CvmSpec *spec, const Template **ret,
                    CvmError *error)
{
        const Template *best = NULL, *bare = NULL; /* bare: the host could run it */
        const Template *open = NULL;               /* which it could, but it is not confidential */
        bool confidential = spec->confidential || manager->home.config->require_confidential;

        if (strcmp(spec->platform, "auto") != 0) {
                best = template_set_find(manager->templates, spec->platform);
                if (!best)
                        return platform_refuse_unknown(manager, spec->platform, error);
                if (confidential && !template_is_confidential(best))
                        return cvm_error_not_confidential(error, spec->platform);
                *ret = best;
                return 0;
        }
        for (size_t i = 0; i < template_set_size(manager->templates); i++) {
                const Template *template = template_set_get(manager->templates, i);

                if (template_strength(template) == 0 || !host_can_run(manager, template))
                        continue;
                if (confidential && !template_is_confidential(template)) {
                        open = template;
                        continue;
                }
                if (!bare || template_strength(template) > template_strength(bare))
                        bare = template;
                if (has_artifacts(manager, template, spec) &&
                    (!best || template_strength(template) > template_strength(best)))
                        best = template;
        }
        if (!best && bare)
                return cvm_error_host(error, "platform",
                                      "this cvmd has no kernel and initramfs for it, neither "
                                      "embedded nor installed",
                                      "both in the spec",
                                      "pass --kernel and --initramfs, install the package "
                                      "cvmd-guest, or build cvmd with them, as scripts/quickstart "
                                      "does");
        if (!best && open)
                return cvm_error_not_confidential(error, template_name(open));
        if (!best)
                return cvm_error_host(error, "platform", "this host cannot run any platform",
                                      "a template whose host checks pass",
                                      "`cvmctl doctor` shows what each platform lacks");
        *ret = best;
        return 0;
}
