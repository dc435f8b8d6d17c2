/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A moment to come that outlives the daemon and the host's boot.
 *
 * As long as the host is up CLOCK_BOOTTIME counts, which continues while the host sleeps and which
 * nobody can set: a jump of the host's clock changes nothing. After a reboot only CLOCK_REALTIME is
 * left, and a clock that was set meanwhile moves the deadline with it.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef struct Deadline {
        int64_t boot_usec; /* CLOCK_BOOTTIME; 0: no deadline */
        int64_t real_usec; /* CLOCK_REALTIME, for people and for after a reboot */
} Deadline;

Deadline deadline_in(uint32_t seconds);
Deadline deadline_in_usec(int64_t usec);
bool deadline_is_set(const Deadline *deadline);
/* Microseconds; 0: it has passed. */
int64_t deadline_left_usec(const Deadline *deadline);
/* Starts or restarts the timer for it. A sleep of the host is noticed within a minute: the callback
 * looks whether the deadline has passed, and arms the timer again if not. */
void deadline_arm(const Deadline *deadline, uv_timer_t *timer, uv_timer_cb callback);

/* NULL: none is set. */
json_object *deadline_to_json(const Deadline *deadline);
/* Accepts any JSON and NULL; a value that is not a deadline gives none. */
Deadline deadline_from_json(json_object *json, bool same_boot);
