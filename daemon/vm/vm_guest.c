/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_guest.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

#define PANIC "Kernel panic - not syncing: "

/* Skips a pair of brackets with only the characters of times and callers between them. Returns `at`
 * if there is none. */
static const char *skip_brackets(const char *at, const char *end)
{
        const char *p = at;

        if (p == end || *p++ != '[')
                return at;
        while (p < end &&
               (*p == ' ' || *p == '.' || *p == 'T' || *p == 'C' || (*p >= '0' && *p <= '9')))
                p++;
        return p < end && *p == ']' ? p + 1 : at;
}

/* The text of the line that is complete now, or NULL. */
static char *panic_text(const PanicLine *line)
{
        const char *p = line->data, *end = line->data + line->size;

        p = skip_brackets(p, end);
        p = skip_brackets(p, end);
        if (p > line->data && (p == end || *p++ != ' '))
                return NULL;
        if (end - p < (ptrdiff_t)strlen(PANIC) || memcmp(p, PANIC, strlen(PANIC)) != 0)
                return NULL;
        if (end[-1] == '\r')
                end--;
        return text_make_utf8(p, (size_t)(end - p));
}

char *panic_line_feed(PanicLine *line, const char *data, size_t size)
{
        while (size) {
                const char *newline = memchr(data, '\n', size);
                size_t piece = newline ? (size_t)(newline - data) : size;
                size_t space = PANIC_LINE_MAX - line->size;
                char *text;

                memcpy(line->data + line->size, data, piece < space ? piece : space);
                line->size += piece < space ? piece : space;
                if (!newline)
                        return NULL;
                text = panic_text(line);
                line->size = 0;
                if (text)
                        return text;
                data += piece + 1;
                size -= piece + 1;
        }
        return NULL;
}

void vm_guest_init(VmGuest *guest, uv_loop_t *loop, void *data)
{
        *guest = (VmGuest){};
        uv_timer_init(loop, &guest->ready_timer);
        uv_timer_init(loop, &guest->status_timer);
        guest->ready_timer.data = guest->status_timer.data = data;
}

void vm_guest_close(VmGuest *guest, uv_close_cb closed)
{
        uv_close((uv_handle_t *)&guest->ready_timer, closed);
        uv_close((uv_handle_t *)&guest->status_timer, closed);
}

void vm_guest_done(VmGuest *guest)
{
        free(guest->status);
        buffer_done(&guest->notify);
}

void vm_guest_begin(VmGuest *guest)
{
        if (!guest->started_at)
                guest->started_at = clock_now_usec();
}

void vm_guest_end(VmGuest *guest)
{
        guest->ready = guest->early_ready = false;
}

void vm_guest_stop_timers(VmGuest *guest)
{
        uv_timer_stop(&guest->ready_timer);
        uv_timer_stop(&guest->status_timer);
}

void vm_guest_forget(VmGuest *guest)
{
        guest->started_at = guest->ready_at = guest->uptime_usec = 0;
        free(TAKE_PTR(guest->status));
        buffer_done(&guest->notify);
        guest->panic_line = (PanicLine){};
        guest->panicked = false;
}

void vm_guest_set_ready(VmGuest *guest, bool early)
{
        if (early) {
                guest->early_ready = true;
                return;
        }
        guest->ready = true;
        guest->ready_at = clock_now_usec();
        uv_timer_stop(&guest->ready_timer);
}

void vm_guest_set_uptime(VmGuest *guest, int64_t usec)
{
        guest->uptime_usec = usec;
}

void vm_guest_await_ready(VmGuest *guest, uint32_t seconds, uv_timer_cb late)
{
        if (!guest->ready)
                uv_timer_start(&guest->ready_timer, late, (uint64_t)seconds * 1000, 0);
}

bool vm_guest_set_status(VmGuest *guest, const char *text)
{
        char *status = text_make_utf8(text, strlen(text));

        if (status) /* the last character whole, or not at all */
                status[text_utf8_prefix(status, strnlen(status, VM_STATUS_MAX))] = 0;
        if (!status || (guest->status && strcmp(guest->status, status) == 0)) {
                free(status);
                return false;
        }
        free(guest->status);
        guest->status = status;
        guest->status_untold = true;
        return true;
}

void vm_guest_told_status(VmGuest *guest, uint64_t msec, uv_timer_cb next)
{
        guest->status_untold = false;
        uv_timer_start(&guest->status_timer, next, msec, 0);
}

bool vm_guest_set_panicked(VmGuest *guest)
{
        bool first = !guest->panicked;

        guest->panicked = true;
        return first;
}

char *vm_guest_find_panic(VmGuest *guest, const void *data, size_t size)
{
        return guest->panicked ? NULL : panic_line_feed(&guest->panic_line, data, size);
}

void vm_guest_load(VmGuest *guest, json_object *record)
{
        const char *status = json_member_string(record, "guestStatus");

        guest->ready = json_member_bool(record, "ready", false);
        guest->status = status ? strndup(status, VM_STATUS_MAX) : NULL;
        guest->started_at = json_member_int(record, "startedAt", 0);
        guest->ready_at = json_member_int(record, "readyAt", 0);
        guest->uptime_usec = json_member_int(record, "guestUptimeUsec", 0);
}
