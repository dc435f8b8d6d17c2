/* SPDX-License-Identifier: Apache-2.0 */

/* DescribeHost: looks at the host as it is now and asks QEMU, in a worker thread, since both may
 * take a while, and in the caller's turn (turns.h). The same functions as `cvmctl doctor`. */

#include <string.h>

#include "api/api.h"
#include "launch/quota.h"
#include "manager/platform.h"
#include "template/survey.h"

typedef struct HostJob {
        Turn turn;
        WireCall *call; /* a reference */
        const Manager *manager;
        const Template *template; /* NULL: all, and the checks without a platform */
        HostCheckList checks;
        bool *ready; /* of each template */
        int r;
} HostJob;

static void host_job_free(HostJob *job)
{
        wire_call_unref(job->call);
        host_check_list_done(&job->checks);
        free(job->ready);
        free(job);
}

static int survey(const Manager *manager, const HostFacts *facts, const Template *template,
                  HostCheckList *ret)
{
        _cleanup_free_ char *path =
                config_qemu(manager->home.config, template_name(template), template_qemu(template));
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe =
                path ? qemu_cache_get(manager->qemus, path) : NULL;
        const SurveyHost host = {facts, "", manager->home.config->programs, manager->privileged};
        const SurveyQemu qemu = {path, probe, "the daemon's log says why"};

        return template_survey(template, &host, &qemu, ret);
}

static int add_all_checks(const HostFacts *facts, HostCheckList *list)
{
        for (const char *const *name = host_check_names(); *name; name++) {
                _cleanup_(host_check_done) HostCheck check = {};
                int r = host_check(facts, *name, &check);

                if (r == 0)
                        r = host_check_list_add(list, &check);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int host_job_look(HostJob *job, const HostFacts *facts)
{
        const TemplateSet *set = job->manager->templates;
        int r = job->template ? survey(job->manager, facts, job->template, &job->checks)
                              : add_all_checks(facts, &job->checks);

        for (size_t i = 0; r == 0 && i < template_set_size(set); i++) {
                _cleanup_(host_check_list_done) HostCheckList list = {};

                r = survey(job->manager, facts, template_set_get(set, i), &list);
                job->ready[i] = r == 0 && !survey_obstacle(&list);
        }
        return r;
}

static void on_work(Turn *turn)
{
        HostJob *job = container_of(turn, HostJob, turn);
        _cleanup_(host_facts_freep) HostFacts *facts = NULL;

        job->r = host_refresh("", job->manager->host, &facts);
        if (job->r == 0)
                job->r = host_job_look(job, facts);
}

static void on_work_done(Turn *turn)
{
        HostJob *job = container_of(turn, HostJob, turn);
        const TemplateSet *set = job->manager->templates;
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *platforms;

        if (job->r < 0) {
                cvm_error_system(&error, job->r, "describe the host");
                wire_call_error(job->call, &error);
                host_job_free(job);
                return;
        }
        platforms = json_object_new_array();
        for (size_t i = 0; i < template_set_size(set); i++)
                if (job->ready[i] && platform_is_available(job->manager, template_set_get(set, i)))
                        json_object_array_add(
                                platforms, json_new_text(template_name(template_set_get(set, i))));
        wire_call_reply(job->call, json_build("checks", host_check_list_to_json(&job->checks),
                                              "platforms", platforms, NULL));
        host_job_free(job);
}

static void on_gone(WireCall *call, void *userdata)
{
        HostJob *job = userdata;

        if (turns_withdraw(&job->turn))
                host_job_free(job);
}

int api_describe_host(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {{"platform", JSON_STRING, 0}, {}};
        _cleanup_free_ char *platform = NULL;
        const Manager *manager = userdata;
        int r = api_dispatch(parameters, fields, &platform, error);
        HostJob *job;

        if (r < 0)
                return r;
        job = calloc(1, sizeof(*job));
        if (!job || !(job->ready = calloc(template_set_size(manager->templates) + 1, 1))) {
                free(job);
                return cvm_error_system(error, -ENOMEM, "describe the host");
        }
        job->call = wire_call_ref(call);
        job->manager = manager;
        job->r = -ECANCELED;
        if (platform && !(job->template = template_set_find(manager->templates, platform))) {
                host_job_free(job);
                return cvm_error_invalid_parameter(
                        error, "platform", "there is no template '%s'; see `cvmctl templates`",
                        platform);
        }
        wire_call_on_gone(call, on_gone, job);
        turns_take(manager->home.turns, &job->turn,
                   quota_account(manager, wire_call_peer(call)->uid), on_work, on_work_done);
        return 0;
}
