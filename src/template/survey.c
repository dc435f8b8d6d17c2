/* SPDX-License-Identifier: Apache-2.0 */
#include "template/survey.h"

#include <stdio.h>
#include <string.h>

#include "base/program.h"
#include "base/text.h"
#include "host/qemu_needs.h"
#include "template/template_internal.h"

static int survey_add_host_checks(const Template *template, const HostFacts *host,
                                  HostCheckList *list)
{
        for (char **name = template->host_checks; *name; name++) {
                _cleanup_(host_check_done) HostCheck check = {};
                int r = host_check(host, *name, &check);

                if (r == 0)
                        r = host_check_list_add(list, &check);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The host's checks report one that does not exist; conditional ones depend on a spec. */
static int add_devices(const Template *template, const SurveyHost *host, HostCheckList *list)
{
        size_t n = template->devices ? json_object_array_length(template->devices) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *device = json_object_array_get_idx(template->devices, i);
                _cleanup_(host_check_done) HostCheck check = {};
                int r;

                if (!json_object_is_type(device, json_type_string))
                        continue;
                r = host_check_device(host->root, json_object_get_string(device), host->own_uid,
                                      &check);
                if (r == 0)
                        r = host_check_list_add(list, &check);
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

/* The files of the host that it takes where a spec names none. */
static int add_files(const Template *template, HostCheckList *list)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                _cleanup_(host_check_done) HostCheck check = {};
                int r;

                if (!template->artifacts[kind].path)
                        continue;
                r = requirements_check_artifact_path(
                        template, kind, access(template->artifacts[kind].path, R_OK) == 0, &check);
                if (r == 0)
                        r = host_check_list_add(list, &check);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Conditional ones depend on a spec. */
static int survey_add_companions(const Template *template, const SurveyHost *host,
                                 HostCheckList *list)
{
        size_t n = template->companions ? json_object_array_length(template->companions) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(template->companions, i);
                const char *program = json_member_string(item, "program");
                _cleanup_free_ char *path = NULL;
                _cleanup_(host_check_done) HostCheck check = {};
                int r;

                if (json_member(item, "when"))
                        continue;
                path = program_find(json_member_string(host->programs, program), program);
                r = host_check_program(program, path, json_member_string(item, "package"), &check);
                if (r == 0)
                        r = host_check_list_add(list, &check);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_qemu(const Template *template, const SurveyQemu *qemu, HostCheckList *list)
{
        _cleanup_free_ char *text = NULL;
        size_t before = list->n;
        int r;

        if (!qemu->path)
                return host_check_list_add_new(list, "qemu",
                                               "executable not found in /usr/bin or /usr/local/bin",
                                               template->qemu, false,
                                               "install the package qemu-system-x86, or set the "
                                               "binary's path in cvmd.conf (qemu)");
        if (!qemu->probe) {
                text = text_format("%s does not answer QMP: %s", qemu->path, qemu->reason ?: "?");
                if (!text)
                        return -ENOMEM;
                return host_check_list_add_new(list, "qemu", text, "a QEMU that answers QMP", false,
                                               "reinstall the package qemu-system-x86, or set "
                                               "another binary in cvmd.conf (qemu)");
        }
        r = qemu_needs_check(qemu->probe, qemu->path, template->requires_qemu, list);
        if (r < 0 || list->n > before)
                return r;
        text = qemu_probe_describe(qemu->probe);
        return text ? host_check_list_add_new(list, "qemu", text,
                                              "the QEMU features that this platform uses", true,
                                              NULL)
                    : -ENOMEM;
}

int template_survey(const Template *template, const SurveyHost *host, const SurveyQemu *qemu,
                    HostCheckList *ret)
{
        HostCheckList list = {};
        int r = survey_add_host_checks(template, host->facts, &list);

        if (r == 0)
                r = add_devices(template, host, &list);
        if (r == 0)
                r = survey_add_companions(template, host, &list);
        if (r == 0)
                r = add_files(template, &list);
        if (r == 0)
                r = add_qemu(template, qemu, &list);
        if (r < 0) {
                host_check_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}

int template_survey_libvirt(const TemplateSet *set, const Template *template,
                            const SurveyLibvirt *libvirt, HostCheckList *list)
{
        const LibvirtNeeds needs = template_set_domain_needs(set, template);
        const char *none = domain_is_built() ? "the template has no domain"
                                             : "this build does not have driver libvirt";

        if (!template_set_has_domain(set, template))
                return host_check_list_add_new(list, "libvirt-platform", template->libvirt ?: none,
                                               "a platform that libvirt can run", false,
                                               "use driver qemu");
        return libvirt_needs_check(libvirt->facts, libvirt->uri, libvirt->reason, &needs, true,
                                   list);
}

const HostCheck *survey_obstacle(const HostCheckList *list)
{
        for (size_t i = 0; i < list->n; i++)
                if (!list->items[i].passed)
                        return &list->items[i];
        return NULL;
}
