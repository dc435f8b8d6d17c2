/* SPDX-License-Identifier: Apache-2.0 */
#include "local/metrics.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"

#define NONE "NoResources"
#define QUOTA "QuotaExceeded"

/* As the interface lists them; the tests compare. */
static const MetricsRefusal refusals[] = {
        {NONE, "memory"},
        {NONE, "cpus"},
        {NONE, "sev-asids"},
        {NONE, "sev-es-asids"},
        {NONE, "tdx-keyids"},
        {NONE, "port"},
        {NONE, "cid"},
        {NONE, "uid"},
        {NONE, "tap"},
        {NONE, "disk"}, /* disk:ID, of which the ID is the user's */
        {NONE, "gpu"},
        {NONE, "vsock-port"},
        {QUOTA, "message (bytes)"},
        {QUOTA, "json-values"},
        {QUOTA, "CVMs of this daemon"},
        {QUOTA, "CVMs of one user"},
        {QUOTA, "memory of one user"},
        {QUOTA, "vCPUs of one user"},
        {QUOTA, "ports of one user"},
        {QUOTA, "artifacts of one user"},
        {QUOTA, "secrets of one user"},
        {QUOTA, "sev-asids of one user"},
        {QUOTA, "sev-es-asids of one user"},
        {QUOTA, "tdx-keyids of one user"},
        {QUOTA, "files that do not answer"},
        {QUOTA, "descriptors"},
        {NONE, METRICS_OTHER},
        {QUOTA, METRICS_OTHER},
        {},
};

static_assert(ARRAY_SIZE(refusals) == METRICS_RESOURCES_MAX + 1, "one counter each");

/* Whether the names differ only in what is behind a colon in the second. */
static bool is_resource(const char *known, const char *found)
{
        size_t size = strcspn(found, ":");

        return strlen(known) == size && memcmp(known, found, size) == 0;
}

void metrics_count_refusal(Metrics *metrics, const CvmError *error)
{
        const char *name = error->id == CVM_ERROR_NO_RESOURCES     ? NONE
                           : error->id == CVM_ERROR_QUOTA_EXCEEDED ? QUOTA
                                                                   : NULL;
        const char *resource = json_member_string(error->fields, "resource");

        if (!name)
                return;
        for (size_t i = 0; i < METRICS_RESOURCES_MAX; i++)
                if (strcmp(refusals[i].error, name) == 0 &&
                    (is_resource(refusals[i].resource, resource ?: "") ||
                     strcmp(refusals[i].resource, METRICS_OTHER) == 0)) {
                        metrics->refusals[i]++;
                        return;
                }
}

const MetricsRefusal *metrics_refusal(size_t i)
{
        return &refusals[i];
}

const char *metrics_launch(MetricsLaunch result)
{
        static const char *const names[_METRICS_LAUNCH_MAX] = {
                [METRICS_LAUNCH_SUCCEEDED] = "succeeded",
                [METRICS_LAUNCH_FAILED] = "failed",
                [METRICS_LAUNCH_CANCELLED] = "cancelled",
        };

        return names[result];
}

const char *metrics_result(size_t result)
{
        const char *name, *dot;

        if (result == METRICS_REPLIED)
                return "ok";
        if (result == METRICS_DISCONNECTED)
                return "disconnected";
        name = cvm_error_name((CvmErrorId)result);
        dot = strrchr(name, '.');
        return dot ? dot + 1 : METRICS_OTHER;
}
