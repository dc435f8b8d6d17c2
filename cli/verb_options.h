/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The options of each verb, for the table of verbs: groups that end with {}. Some are in the groups
 * of several verbs. */

#include "verb.h"

extern const Option verb_complete_options[];
extern const Option verb_doctor_options[];
extern const Option verb_events_options[];
extern const Option verb_filter_options[];
extern const Option verb_inspect_options[];
extern const Option verb_json_option[];
extern const Option verb_launch_options[];
extern const Option verb_list_options[];
extern const Option verb_logs_options[];
extern const Option verb_measure_format_options[];
extern const Option verb_measure_options[];
extern const Option verb_metrics_options[];
extern const Option verb_port_options[];
extern const Option verb_prune_options[];
extern const Option verb_remove_options[];
extern const Option verb_render_options[];
extern const Option verb_restart_options[];
extern const Option verb_run_options[];
extern const Option verb_spec_options[];
extern const Option verb_start_options[];
extern const Option verb_stats_options[];
extern const Option verb_stop_options[];
extern const Option verb_table_options[];
extern const Option verb_timeline_options[];
extern const Option verb_top_options[];
extern const Option verb_update_options[];
extern const Option verb_attest_options[];
extern const Option verb_verify_options[];
extern const Option verb_wait_options[];
