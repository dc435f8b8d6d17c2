/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a CVM's guest has said and done since the last launch; not to be trusted. Changed by this
 * module alone: what follows from it is vm_notify.c's and vm_course.c's. */

#include <json-c/json.h>
#include <uv.h>

#include "base/text.h"

#define VM_STATUS_MAX 256 /* bytes kept of the guest's STATUS= */

#define PANIC_LINE_MAX 256u /* bytes of a line that are kept, prefixes included */

/*
 * Finds the line by which a Linux kernel reports its panic in what a guest writes to its console:
 * "Kernel panic - not syncing: REASON" (kernel/panic.c), at the start of a line or after the prefix
 * that printk gives it: "[    1.234567] ", with CONFIG_PRINTK_CALLER "[    1.234567][    T1] ".
 *
 * The guest controls every byte. The finder keeps the first PANIC_LINE_MAX bytes of the current
 * line and nothing else; a longer line is cut. A guest whose kernel has not panicked can write such
 * a line, too: the line may be reported, but must not decide anything.
 */
typedef struct PanicLine {
        char data[PANIC_LINE_MAX];
        size_t size; /* bytes of the current line, at most PANIC_LINE_MAX */
} PanicLine;

typedef struct VmGuest {
        int64_t started_at, ready_at; /* 0: not yet */
        int64_t uptime_usec;          /* of its kernel when it reported READY; 0: it did not say */
        bool ready;
        bool early_ready;     /* READY came before the answer that the guest runs */
        char *status;         /* what the guest said last */
        bool status_untold;   /* it is newer than the last event of it */
        Buffer notify;        /* an unfinished line of the guest's notify port */
        PanicLine panic_line; /* of the console of a debug CVM */
        bool panicked;        /* the event of its guest's panic has been emitted */
        uv_timer_t ready_timer, status_timer;
} VmGuest;

/* data: of the two timers' handles. vm_guest_close() must be called before the end. */
void vm_guest_init(VmGuest *guest, uv_loop_t *loop, void *data);
/* Closes VM_GUEST_TIMERS handles. */
#define VM_GUEST_TIMERS 2u
void vm_guest_close(VmGuest *guest, uv_close_cb closed);
void vm_guest_done(VmGuest *guest);

/* Its CPUs run: for the first time, or again. */
void vm_guest_begin(VmGuest *guest);
/* It is not ready any more. */
void vm_guest_end(VmGuest *guest);
void vm_guest_stop_timers(VmGuest *guest);
/* Forgets what the guest of the previous launch said. */
void vm_guest_forget(VmGuest *guest);
/* It has said READY; early: before the answer that it runs. */
void vm_guest_set_ready(VmGuest *guest, bool early);
/* What it says of its kernel's uptime, before READY. */
void vm_guest_set_uptime(VmGuest *guest, int64_t usec);
/* Calls `late` where READY has not come in time. */
void vm_guest_await_ready(VmGuest *guest, uint32_t seconds, uv_timer_cb late);
/* Whether this status is another than the last. */
bool vm_guest_set_status(VmGuest *guest, const char *text);
/* The status has been reported; `next`: when the next may be. */
void vm_guest_told_status(VmGuest *guest, uint64_t msec, uv_timer_cb next);
/* Whether this is the first report of a panic. */
bool vm_guest_set_panicked(VmGuest *guest);
/* As panic_line_feed(); NULL, too, once a panic was reported. */
char *vm_guest_find_panic(VmGuest *guest, const void *data, size_t size);
/* From a record. */
void vm_guest_load(VmGuest *guest, json_object *record);

/* Reads the next bytes of the console. Returns the first panic line that ends in them, from "Kernel
 * panic" on and without its line end, as UTF-8 (other bytes are replaced); newly allocated, NULL if
 * there is none or without memory. The bytes after that line are not read. Start with zeros. */
char *panic_line_feed(PanicLine *line, const char *data, size_t size);
