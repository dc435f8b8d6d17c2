/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a daemon counts of itself since its start. Each floor counts what it does by the functions
 * below, which allocate nothing and take some nanoseconds; api/api_metrics.c shows the numbers.
 * A label has few values, all of which are known when the daemon starts: nothing that a user or a
 * guest chooses is one.
 *
 * Only the event loop counts. A copy of the struct is a snapshot that any thread may read.
 */

#include <assert.h>
#include <string.h>

#include "base/ending.h"
#include "base/error.h"
#include "local/histogram.h"
#include "wire/server.h"

#define METRICS_METHODS_MAX 32u /* METRICS_SERVICE and METRICS_UNKNOWN included */
#define METRICS_STEPS_MAX 16u

/* Methods that are not the manager's own. */
enum {
        METRICS_SERVICE = METRICS_METHODS_MAX - 2, /* org.varlink.service */
        METRICS_UNKNOWN = METRICS_METHODS_MAX - 1, /* of a call without a method that exists */
};

/* How a call has ended: by a reply, or by an error, whose CvmErrorId is the result. */
enum {
        METRICS_REPLIED = CVM_ERROR_NONE,
        METRICS_DISCONNECTED = _CVM_ERROR_MAX, /* the client went before its end */
        _METRICS_RESULT_MAX,
};

typedef enum MetricsLaunch {
        METRICS_LAUNCH_SUCCEEDED,
        METRICS_LAUNCH_FAILED,
        METRICS_LAUNCH_CANCELLED, /* by its caller, a Stop or the end of the daemon */
        _METRICS_LAUNCH_MAX,
} MetricsLaunch;

/* Names of resources and of kinds of events, among them one for any other name. */
#define METRICS_RESOURCES_MAX 28u
#define METRICS_EVENTS_MAX 9u

#define METRICS_OTHER "other" /* the value of a label for what has no name of its own */

typedef struct Metrics {
        const WireMethod *methods; /* of the manager's interface; borrowed; NULL: not known yet */
        int64_t started_at;        /* µs since the epoch */
        uint64_t calls[METRICS_METHODS_MAX][_METRICS_RESULT_MAX];
        Histogram call_times[METRICS_METHODS_MAX];
        uint64_t refusals[METRICS_RESOURCES_MAX];
        uint64_t launches[2][_METRICS_LAUNCH_MAX]; /* of new CVMs; of those launched again */
        uint64_t launch_failures[METRICS_STEPS_MAX];
        Histogram steps[METRICS_STEPS_MAX];
        Histogram to_running; /* a launch, from its admission until the guest runs */
        Histogram to_ready;   /* a guest, from then until READY */
        uint64_t restarts;
        uint64_t endings[_ENDING_MAX];
        uint64_t events[METRICS_EVENTS_MAX];
} Metrics;

/* The kinds of events that are counted by name, and the last one, which stands for all others. */
static inline const char *metrics_event(size_t i)
{
        static const char *const kinds[METRICS_EVENTS_MAX] = {
                "state", "ready",   "status",  "panic",       "internal-error",
                "note",  "updated", "removed", METRICS_OTHER,
        };

        return kinds[i];
}

/* A call has ended. method: its index in the interface's table, or one of the above. */
static inline void metrics_count_call(Metrics *metrics, size_t method, size_t result, uint64_t nsec)
{
        assert(method < METRICS_METHODS_MAX && result < _METRICS_RESULT_MAX);
        metrics->calls[method][result]++;
        histogram_add(&metrics->call_times[method], nsec);
}

/* An error was answered: counted if it is NoResources or QuotaExceeded, by its resource. */
void metrics_count_refusal(Metrics *metrics, const CvmError *error);

/* A step of a launch is done; step: its index in the table of steps. */
static inline void metrics_count_step(Metrics *metrics, size_t step, uint64_t nsec)
{
        assert(step < METRICS_STEPS_MAX);
        histogram_add(&metrics->steps[step], nsec);
}

/* The launch of an admitted CVM is over. */
static inline void metrics_count_launch(Metrics *metrics, bool again, MetricsLaunch result)
{
        metrics->launches[again][result]++;
}

/* A launch has failed in this step. */
static inline void metrics_count_launch_failure(Metrics *metrics, size_t step)
{
        assert(step < METRICS_STEPS_MAX);
        metrics->launch_failures[step]++;
}

/* A CVM will be launched again. */
static inline void metrics_count_restart(Metrics *metrics)
{
        metrics->restarts++;
}

/* A CVM has ended. */
static inline void metrics_count_ending(Metrics *metrics, EndingKind kind)
{
        metrics->endings[kind]++;
}

/* A CVM had an event of this kind. */
static inline void metrics_count_event(Metrics *metrics, const char *kind)
{
        size_t i = 0;

        while (i < METRICS_EVENTS_MAX - 1 && strcmp(metrics_event(i), kind) != 0)
                i++;
        metrics->events[i]++;
}

/* The values of labels, by index. */
typedef struct MetricsRefusal {
        const char *error, *resource;
} MetricsRefusal;
const MetricsRefusal *metrics_refusal(size_t i);
const char *metrics_launch(MetricsLaunch result);
/* The error's name without its interface. */
const char *metrics_result(size_t result);
