/* SPDX-License-Identifier: Apache-2.0 */
#include "local/deadline.h"

#include "base/clock.h"
#include "base/json.h"

#define USEC_PER_SEC 1000000
#define NAP_MSEC 60000 /* libuv's clock stands still while the host sleeps */

Deadline deadline_in(uint32_t seconds)
{
        return deadline_in_usec((int64_t)seconds * USEC_PER_SEC);
}

Deadline deadline_in_usec(int64_t usec)
{
        return (Deadline){clock_boot_usec() + usec, clock_now_usec() + usec};
}

bool deadline_is_set(const Deadline *deadline)
{
        return deadline->boot_usec != 0;
}

int64_t deadline_left_usec(const Deadline *deadline)
{
        int64_t left = deadline->boot_usec - clock_boot_usec();

        return left > 0 ? left : 0;
}

void deadline_arm(const Deadline *deadline, uv_timer_t *timer, uv_timer_cb callback)
{
        uint64_t msec = ((uint64_t)deadline_left_usec(deadline) + 999) / 1000;

        uv_update_time(timer->loop);
        uv_timer_start(timer, callback, msec < NAP_MSEC ? msec : NAP_MSEC, 0);
}

json_object *deadline_to_json(const Deadline *deadline)
{
        if (!deadline_is_set(deadline))
                return NULL;
        return json_build("bootUSec", json_object_new_int64(deadline->boot_usec), "realUSec",
                          json_object_new_int64(deadline->real_usec), NULL);
}

Deadline deadline_from_json(json_object *json, bool same_boot)
{
        Deadline deadline = {json_member_int(json, "bootUSec", 0),
                             json_member_int(json, "realUSec", 0)};
        int64_t left;

        if (deadline.boot_usec <= 0 || deadline.real_usec <= 0 ||
            deadline.boot_usec > INT64_MAX / 2 || deadline.real_usec > INT64_MAX / 2)
                return (Deadline){};
        if (!same_boot) {
                left = deadline.real_usec - clock_now_usec();
                deadline.boot_usec = clock_boot_usec() + (left > 0 ? left : 0);
        }
        return deadline;
}
