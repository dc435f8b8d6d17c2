/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_restart.h"

#include "base/json.h"

void vm_restart_init(VmRestart *restart, uv_loop_t *loop, void *data)
{
        *restart = (VmRestart){};
        uv_timer_init(loop, &restart->timer);
        restart->timer.data = data;
}

void vm_restart_close(VmRestart *restart, uv_close_cb closed)
{
        uv_close((uv_handle_t *)&restart->timer, closed);
}

void vm_restart_set_policy(VmRestart *restart, const SpecRestart *policy)
{
        restart->spec = *policy;
}

json_object *vm_restart_to_json(const VmRestart *restart)
{
        return json_build("inRow", json_object_new_int64(restart->in_row), "total",
                          json_object_new_int64(restart->total), "beganUSec",
                          restart->began_usec ? json_object_new_int64(restart->began_usec) : NULL,
                          "at", deadline_to_json(&restart->at), NULL);
}

void vm_restart_load(VmRestart *restart, json_object *recorded, bool same_boot)
{
        restart->in_row = (uint32_t)json_member_int(recorded, "inRow", 0);
        restart->total = (uint32_t)json_member_int(recorded, "total", 0);
        restart->at = deadline_from_json(json_member(recorded, "at"), same_boot);
        restart->began_usec = same_boot ? json_member_int(recorded, "beganUSec", 0) : 0;
}

void vm_restart_set_pending(VmRestart *restart, bool pending)
{
        restart->pending = pending;
}

void vm_restart_stop_timer(VmRestart *restart)
{
        uv_timer_stop(&restart->timer);
}
