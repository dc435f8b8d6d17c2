/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics: a snapshot that is taken on the loop, completed and written as text in a worker, since
 * with thousands of CVMs that takes some milliseconds, and in the caller's turn (turns.h). It shows
 * what all users do, so only administrators may have it. Each call on the daemon's socket is
 * counted here.
 */

#include <string.h>

#include "api/api.h"
#include "api/snapshot.h"
#include "launch/quota.h"

typedef struct MetricsJob {
        Turn turn;
        WireCall *call; /* a reference */
        Snapshot snapshot;
        ExpositionFormat format;
        char *text; /* owned */
        int r;
} MetricsJob;

static void metrics_job_free(MetricsJob *job)
{
        wire_call_unref(job->call);
        snapshot_done(&job->snapshot);
        free(job->text);
        free(job);
}

static void on_work(Turn *turn)
{
        MetricsJob *job = container_of(turn, MetricsJob, turn);

        snapshot_complete(&job->snapshot);
        job->r = snapshot_to_text(&job->snapshot, job->format, &job->text);
}

static void on_work_done(Turn *turn)
{
        MetricsJob *job = container_of(turn, MetricsJob, turn);
        _cleanup_(cvm_error_done) CvmError error = {};

        if (job->r < 0) {
                cvm_error_system(&error, job->r, "write the metrics");
                wire_call_error(job->call, &error);
        } else {
                wire_call_reply(job->call, json_build("text", json_new_text(job->text), NULL));
        }
        metrics_job_free(job);
}

static void on_gone(WireCall *call, void *userdata)
{
        MetricsJob *job = userdata;

        if (turns_withdraw(&job->turn))
                metrics_job_free(job);
}

int api_metrics(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {{"format", JSON_STRING, 0}, {}};
        ExpositionFormat format = EXPOSITION_OPENMETRICS;
        _cleanup_free_ char *name = NULL;
        const Manager *manager = userdata;
        int r = api_dispatch(parameters, fields, &name, error);
        MetricsJob *job;

        if (r < 0)
                return r;
        if (!manager_is_admin(manager, wire_call_peer(call)))
                return cvm_error_permission_denied(error);
        if (name && exposition_format_parse(name, &format) < 0)
                return cvm_error_invalid_parameter(error, "format",
                                                   "must be openmetrics or prometheus");
        job = calloc(1, sizeof(*job));
        r = job ? snapshot_take(manager, wire_call_connections(call), &job->snapshot) : -ENOMEM;
        if (r < 0) {
                free(job);
                return cvm_error_system(error, r, "take the metrics");
        }
        job->call = wire_call_ref(call);
        job->format = format;
        job->r = -ECANCELED;
        wire_call_on_gone(call, on_gone, job);
        turns_take(manager->home.turns, &job->turn,
                   quota_account(manager, wire_call_peer(call)->uid), on_work, on_work_done);
        return 0;
}

static size_t method_index(const Metrics *metrics, const WireMethod *method)
{
        if (!method)
                return METRICS_UNKNOWN;
        for (size_t i = 0; metrics->methods[i].name; i++)
                if (&metrics->methods[i] == method)
                        return i;
        return METRICS_SERVICE;
}

static void on_call_ended(const WireMethod *method, const CvmError *error, bool lost, uint64_t nsec,
                          void *userdata)
{
        Metrics *metrics = userdata;
        size_t result = lost ? METRICS_DISCONNECTED : error ? error->id : METRICS_REPLIED;

        metrics_count_call(metrics, method_index(metrics, method), result, nsec);
        if (error)
                metrics_count_refusal(metrics, error);
}

static void on_refused(const CvmError *error, void *userdata)
{
        metrics_count_refusal(userdata, error);
}

void api_observe(Manager *manager, const WireInterface *interface, WireServer *server)
{
        const WireObserver observer = {on_call_ended, on_refused, &manager->home.metrics};

        manager->home.metrics.methods = interface->methods;
        wire_server_observe(server, &observer);
}
