/* SPDX-License-Identifier: Apache-2.0 */

/* What a guest says of itself: sd_notify(3) lines that come over its notify port, untrusted. */

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "local/log.h"
#include "vm/home.h"
#include "vm/record.h"

#define NOTIFY_LINE_MAX 4096 /* bytes of one line */
#define NOTIFY_UPTIME "X_CVMD_UPTIME_USEC="

/* A kernel that claims to be older than its guest is not believed. While the guest was paused its
 * clock stood still, so less than the whole time is right. */
static void notify_judge_uptime(Vm *vm)
{
        int64_t begun = vm_stages_begun(&vm->stages, "resumed") ?: vm->guest.started_at;

        if (begun == 0 || vm->guest.uptime_usec > vm->guest.ready_at - begun)
                vm_guest_set_uptime(&vm->guest, 0);
}

void vm_become_ready(Vm *vm)
{
        const LogSubject subject = {vm->name, vm->id, LOG_MESSAGE_READY, {}};

        vm_guest_set_ready(&vm->guest, false);
        notify_judge_uptime(vm);
        if (vm->guest.started_at && vm->guest.ready_at >= vm->guest.started_at)
                histogram_add(&vm->home->metrics.to_ready,
                              (uint64_t)(vm->guest.ready_at - vm->guest.started_at) * 1000);
        record_write(vm);
        log_about(LOG_LEVEL_INFO, &subject, "ready");
        vm_emit(vm, "ready", NULL, NULL, NULL);
        vm_tell_watchers(vm);
}

static void on_status_timer(uv_timer_t *timer);

void vm_tell_status(Vm *vm)
{
        if (!vm->guest.status_untold)
                return;
        vm_guest_told_status(&vm->guest, VM_STATUS_MSEC, on_status_timer);
        vm_emit(vm, "status", NULL, NULL,
                json_build("text", json_new_text(vm->guest.status), NULL));
}

static void on_status_timer(uv_timer_t *timer)
{
        vm_tell_status(timer->data);
}

static void notify_status(Vm *vm, const char *text)
{
        if (vm_guest_set_status(&vm->guest, text) &&
            !uv_is_active((const uv_handle_t *)&vm->guest.status_timer))
                vm_tell_status(vm);
}

static void notify_uptime(Vm *vm, const char *text)
{
        uint64_t usec;

        if (!vm->guest.ready && text_parse_uint(text, 1, INT64_MAX, &usec) == 0)
                vm_guest_set_uptime(&vm->guest, (int64_t)usec);
}

static void notify_line(Vm *vm, const char *line)
{
        /* before its start it cannot have spoken: this was said by one that had its CID before */
        if (vm->state == VM_PREPARING || vm->state == VM_RESTARTING || !vm_state_is_live(vm->state))
                return;
        if (strcmp(line, "READY=1") == 0 && !vm->guest.ready) {
                if (vm->state == VM_STARTING)
                        vm_guest_set_ready(&vm->guest, true); /* vm_set_state() comes back to it */
                else
                        vm_become_ready(vm);
        } else if (strncmp(line, "STATUS=", 7) == 0) {
                notify_status(vm, line + 7);
        } else if (strncmp(line, NOTIFY_UPTIME, sizeof(NOTIFY_UPTIME) - 1) == 0) {
                notify_uptime(vm, line + sizeof(NOTIFY_UPTIME) - 1);
        }
}

/* Takes bytes of a stream of lines; what is unfinished waits in `line`. */
static void notify_feed(Vm *vm, Buffer *line, const char *data, size_t size)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);

        for (size_t i = 0; i < size && !pin->removed; i++) {
                if (data[i] != '\n') {
                        /* An overlong line is cut; its head is not a known assignment. */
                        if (line->size < NOTIFY_LINE_MAX && buffer_append(line, data + i, 1) < 0)
                                return;
                        continue;
                }
                if (line->size && line->size < NOTIFY_LINE_MAX)
                        notify_line(vm, line->data);
                buffer_consume(line, line->size);
        }
}

void vm_notify(Vm *vm, const char *data, size_t size)
{
        notify_feed(vm, &vm->guest.notify, data, size);
}

void vm_notify_message(Vm *vm, const char *data, size_t size)
{
        _cleanup_(buffer_done) Buffer line = {};

        notify_feed(vm, &line, data, size);
}

static void on_ready_timer(uv_timer_t *timer)
{
        Vm *vm = timer->data;

        log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "not ready after %u s", vm->ready_sec);
        vm_emit(vm, "note", NULL, NULL,
                json_build("text", json_object_new_string("not ready in time"), "readySec",
                           json_object_new_int64(vm->ready_sec), NULL));
}

void vm_arm_ready_timer(Vm *vm)
{
        vm_guest_await_ready(&vm->guest, vm->ready_sec, on_ready_timer);
}
