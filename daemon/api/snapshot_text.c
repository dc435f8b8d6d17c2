/* SPDX-License-Identifier: Apache-2.0 */

/* The families of metrics, and a snapshot as text. cvmd(8) has the same list; a test compares. */

#include <string.h>

#include "api/snapshot.h"
#include "base/clock.h"
#include "launch/launch.h"

static const MetricFamily build = {
        "cvmd_build", METRIC_INFO, NULL, "The daemon's version.", {"version"}};
static const MetricFamily start_time = {"cvmd_start_time_seconds", METRIC_GAUGE, "seconds",
                                        "When the daemon started, in seconds since the epoch."};
static const MetricFamily cpu = {"cvmd_cpu_seconds", METRIC_COUNTER, "seconds",
                                 "CPU time of the daemon."};
static const MetricFamily resident_memory = {"cvmd_resident_memory_bytes", METRIC_GAUGE, "bytes",
                                             "Memory that the daemon itself has resident."};
static const MetricFamily open_fds = {"cvmd_open_fds", METRIC_GAUGE, NULL,
                                      "Open descriptors of the daemon."};
static const MetricFamily max_fds = {"cvmd_max_fds", METRIC_GAUGE, NULL,
                                     "The daemon's limit of open descriptors."};
static const MetricFamily threads = {"cvmd_threads", METRIC_GAUGE, NULL, "Threads of the daemon."};

static const MetricFamily cvms = {
        "cvmd_cvms", METRIC_GAUGE, NULL, "CVMs, ended ones included.", {"state", "platform"}};
static const MetricFamily cvms_limit = {"cvmd_cvms_limit", METRIC_GAUGE, NULL,
                                        "How many live CVMs the daemon may have (limits.cvms)."};
static const MetricFamily ready_cvms = {"cvmd_ready_cvms", METRIC_GAUGE, NULL,
                                        "CVMs whose guest has reported READY."};
static const MetricFamily endings = {"cvmd_endings",
                                     METRIC_COUNTER,
                                     NULL,
                                     "CVMs that ended, by the reason of their ending.",
                                     {"reason"}};
static const MetricFamily restarts = {"cvmd_restarts", METRIC_COUNTER, NULL,
                                      "Attempts to launch a CVM again after its end."};
static const MetricFamily events = {
        "cvmd_events", METRIC_COUNTER, NULL, "Events of CVMs.", {"kind"}};

static const MetricFamily launches = {"cvmd_launches",
                                      METRIC_COUNTER,
                                      NULL,
                                      "Launches of CVMs that were admitted, by their result.",
                                      {"kind", "result"}};
static const MetricFamily launch_failures = {"cvmd_launch_failures",
                                             METRIC_COUNTER,
                                             NULL,
                                             "Launches that failed, by the step in which they did.",
                                             {"step"}};
static const MetricFamily launch_steps = {"cvmd_launch_step_duration_seconds",
                                          METRIC_HISTOGRAM,
                                          "seconds",
                                          "How long the steps of launches took.",
                                          {"step"}};
static const MetricFamily to_running = {
        "cvmd_launch_to_running_seconds", METRIC_HISTOGRAM, "seconds",
        "How long launches took from admission until the guest ran."};
static const MetricFamily to_ready = {"cvmd_guest_to_ready_seconds", METRIC_HISTOGRAM, "seconds",
                                      "How long guests ran until they reported READY."};
static const MetricFamily refusals = {
        "cvmd_refusals",
        METRIC_COUNTER,
        NULL,
        "Calls and messages that were refused because of a resource or a quota.",
        {"error", "resource"}};

static const MetricFamily calls = {"cvmd_api_calls",
                                   METRIC_COUNTER,
                                   NULL,
                                   "Calls that have ended, by their result.",
                                   {"method", "result"}};
static const MetricFamily call_times = {"cvmd_api_call_duration_seconds",
                                        METRIC_HISTOGRAM,
                                        "seconds",
                                        "How long calls took, from the message to the "
                                        "last reply.",
                                        {"method"}};
static const MetricFamily connections = {"cvmd_api_connections", METRIC_GAUGE, NULL,
                                         "Connections to the daemon's socket."};
static const MetricFamily connections_limit = {"cvmd_api_connections_limit", METRIC_GAUGE, NULL,
                                               "How many connections the daemon accepts."};

static const MetricFamily memory_promised = {"cvmd_memory_promised_bytes", METRIC_GAUGE, "bytes",
                                             "The host's memory that live CVMs may come to use."};
static const MetricFamily memory_used = {"cvmd_memory_used_bytes", METRIC_GAUGE, "bytes",
                                         "Memory that the hypervisors of CVMs have resident."};
static const MetricFamily memory_available = {
        "cvmd_memory_available_bytes", METRIC_GAUGE, "bytes",
        "The host's memory that further CVMs can still be promised."};
static const MetricFamily waiting = {
        "cvmd_queue_waiting", METRIC_GAUGE, NULL, "What waits in the daemon's queues.", {"queue"}};
static const MetricFamily working = {"cvmd_queue_working",
                                     METRIC_GAUGE,
                                     NULL,
                                     "What is being done of the daemon's queues.",
                                     {"queue"}};

static void write_value(Exposition *e, const MetricFamily *family, uint64_t value)
{
        exposition_begin(e, family);
        exposition_add(e, value, NULL, NULL);
}

static void write_histogram(Exposition *e, const MetricFamily *family, const Histogram *histogram)
{
        exposition_begin(e, family);
        exposition_add_histogram(e, histogram, NULL);
}

static void write_process(Exposition *e, const Snapshot *s)
{
        exposition_begin(e, &build);
        exposition_add(e, 1, CVMD_VERSION, NULL);
        exposition_begin(e, &start_time);
        exposition_add_nsec(e, (uint64_t)s->metrics.started_at * 1000, NULL, NULL);
        exposition_begin(e, &cpu);
        exposition_add_nsec(e, s->cpu_nsec, NULL, NULL);
        write_value(e, &resident_memory, s->own_resident);
        write_value(e, &open_fds, s->n_fds);
        write_value(e, &max_fds, s->n_fds_max);
        write_value(e, &threads, s->n_threads);
}

static void write_cvms(Exposition *e, const Snapshot *s)
{
        const TemplateSet *set = s->manager->templates;

        exposition_begin(e, &cvms);
        for (size_t i = 0; i < snapshot_n_platforms(s->manager); i++)
                for (VmState state = 0; state < _VM_STATE_MAX; state++)
                        exposition_add(e, s->cvms[i][state], vm_state_name(state),
                                       i < template_set_size(set)
                                               ? template_name(template_set_get(set, i))
                                               : METRICS_OTHER);
        write_value(e, &cvms_limit, s->n_cvms_max);
        write_value(e, &ready_cvms, s->n_ready);
        exposition_begin(e, &endings);
        for (EndingKind kind = ENDING_NONE + 1; kind < _ENDING_MAX; kind++)
                exposition_add(e, s->metrics.endings[kind], ending_get(kind)->name, NULL);
        write_value(e, &restarts, s->metrics.restarts);
        exposition_begin(e, &events);
        for (size_t i = 0; i < METRICS_EVENTS_MAX; i++)
                exposition_add(e, s->metrics.events[i], metrics_event(i), NULL);
}

static void write_launches(Exposition *e, const Snapshot *s)
{
        const char *step;

        exposition_begin(e, &launches);
        for (size_t again = 0; again < 2; again++)
                for (MetricsLaunch result = 0; result < _METRICS_LAUNCH_MAX; result++)
                        exposition_add(e, s->metrics.launches[again][result],
                                       again ? "restart" : "new", metrics_launch(result));
        exposition_begin(e, &launch_failures);
        for (size_t i = 0; (step = launch_step_name(i)); i++)
                exposition_add(e, s->metrics.launch_failures[i], step, NULL);
        exposition_begin(e, &launch_steps);
        for (size_t i = 0; (step = launch_step_name(i)); i++)
                exposition_add_histogram(e, &s->metrics.steps[i], step);
        write_histogram(e, &to_running, &s->metrics.to_running);
        write_histogram(e, &to_ready, &s->metrics.to_ready);
        exposition_begin(e, &refusals);
        for (size_t i = 0; i < METRICS_RESOURCES_MAX; i++)
                exposition_add(e, s->metrics.refusals[i], metrics_refusal(i)->error,
                               metrics_refusal(i)->resource);
}

/* The name of a method's label, or NULL: there is no method of that index. */
static const char *method_name(const Metrics *metrics, size_t i)
{
        if (i == METRICS_SERVICE)
                return "org.varlink.service";
        if (i == METRICS_UNKNOWN)
                return "unknown";
        for (size_t k = 0; metrics->methods && metrics->methods[k].name; k++)
                if (k == i)
                        return strrchr(metrics->methods[k].name, '.') + 1;
        return NULL;
}

/* Of results only `ok` is there before it has occurred. */
static void write_calls(Exposition *e, const Snapshot *s)
{
        const char *method;

        exposition_begin(e, &calls);
        for (size_t i = 0; i < METRICS_METHODS_MAX; i++)
                for (size_t k = 0;
                     (method = method_name(&s->metrics, i)) && k < _METRICS_RESULT_MAX; k++)
                        if (k == METRICS_REPLIED || s->metrics.calls[i][k])
                                exposition_add(e, s->metrics.calls[i][k], method,
                                               metrics_result(k));
        exposition_begin(e, &call_times);
        for (size_t i = 0; i < METRICS_METHODS_MAX; i++)
                if ((method = method_name(&s->metrics, i)))
                        exposition_add_histogram(e, &s->metrics.call_times[i], method);
        write_value(e, &connections, s->n_connections);
        write_value(e, &connections_limit, WIRE_CONNECTIONS_MAX);
}

static void write_resources(Exposition *e, const Snapshot *s)
{
        static const char *const queues[_SNAPSHOT_QUEUE_MAX] = {
                [SNAPSHOT_FILES] = "files",   [SNAPSHOT_HOST] = "host",
                [SNAPSHOT_LARGE] = "large",   [SNAPSHOT_COMMITS] = "commits",
                [SNAPSHOT_CLOSES] = "closes", [SNAPSHOT_LAUNCHES] = "launches",
        };

        write_value(e, &memory_promised, s->promised);
        write_value(e, &memory_used, s->resident);
        write_value(e, &memory_available, s->available);
        exposition_begin(e, &waiting);
        for (size_t i = 0; i < _SNAPSHOT_QUEUE_MAX; i++)
                exposition_add(e, s->queues[i].waiting, queues[i], NULL);
        exposition_begin(e, &working);
        for (size_t i = 0; i < _SNAPSHOT_QUEUE_MAX; i++)
                exposition_add(e, s->queues[i].working, queues[i], NULL);
}

int snapshot_to_text(const Snapshot *snapshot, ExpositionFormat format, char **ret)
{
        _cleanup_(exposition_done) Exposition e = {.format = format};

        write_process(&e, snapshot);
        write_cvms(&e, snapshot);
        write_launches(&e, snapshot);
        write_calls(&e, snapshot);
        write_resources(&e, snapshot);
        return exposition_end(&e, ret);
}
