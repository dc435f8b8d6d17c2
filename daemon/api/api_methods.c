/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "api/api.h"
#include "wire/manager.h"

#define METHOD(name) "io.cvmd.Manager." name
#define VERSION "1.1" /* of the interface, as its description says */

/* At most METRICS_SERVICE. */
static const WireMethod methods[] = {
        {METHOD("Launch"), api_launch, 0, WIRE_MESSAGE_MAX, api_spec_prepare, api_spec_free},
        {METHOD("Stop"), api_stop, 0},
        {METHOD("Restart"), api_restart, 0},
        {METHOD("Update"), api_update, 0},
        {METHOD("Pause"), api_pause, 0},
        {METHOD("Resume"), api_resume, 0},
        {METHOD("Remove"), api_remove, 0},
        {METHOD("Status"), api_status, 0},
        {METHOD("Measure"), api_measure, 0},
        {METHOD("Timeline"), api_timeline, 0},
        {METHOD("List"), api_list, 0},
        {METHOD("Stats"), api_stats, 0},
        {METHOD("Wait"), api_wait, 0},
        {METHOD("Watch"), api_watch, WIRE_METHOD_NEEDS_MORE},
        {METHOD("Logs"), api_logs, 0},
        {METHOD("Console"), api_console, WIRE_METHOD_NEEDS_UPGRADE},
        {METHOD("Render"), api_render, 0, WIRE_MESSAGE_MAX, api_spec_prepare, api_spec_free},
        {METHOD("DescribeHost"), api_describe_host, 0},
        {METHOD("ListTemplates"), api_list_templates, 0},
        {METHOD("ListArtifacts"), api_list_artifacts, 0},
        {METHOD("ListImages"), api_list_images, 0},
        {METHOD("Metrics"), api_metrics, 0},
        {},
};

static_assert(ARRAY_SIZE(methods) - 1 <= METRICS_SERVICE, "each method has its counters");

const WireInterface api_interface = {
        .name = "io.cvmd.Manager",
        .description = wire_manager_interface,
        .methods = methods,
        .version = VERSION,
};
