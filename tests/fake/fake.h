/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of fake-qemu; tests/fake-qemu.c says what the program is. One process is one machine,
 * so that everything lives until its exit and nothing is freed before. */

#include <json-c/json.h>
#include <stdarg.h>

#include "base/macros.h"

#define FORWARDS_MAX 64u
#define SHARES_MAX 32u
#define AGENT_PORT 7002

/* A socket chardev: a listening socket with one client at a time. */
typedef struct Link {
        const char *id;
        int listener; /* -1: the command line has no such chardev */
        int fd;       /* the client's, or -1 */
        bool keeps;   /* what is sent without a client waits for one, else it is lost */
        bool more;    /* there is more to send than `out` */
        char *out;    /* owned */
        size_t n_out;
} Link;

void link_send(Link *link, const void *data, size_t size);
void link_printf(Link *link, const char *format, ...) _printf_(2, 3);
/* Writes what can be written at once; hangs up on a client that has gone. */
void link_flush(Link *link);
void link_hang_up(Link *link);
void *must_have(void *memory); /* exits without memory */

/* How the fake behaves: the fake.* words of the kernel command line. -1: not asked for. */
typedef struct Behaviour {
        int64_t exit, ready_ms, die_ms, exit_ms, poweroff_ms, reset_ms, panic_ms, console_bytes;
        int64_t deaf_ms;
        int64_t notify_lines;
        int64_t internal_error_ms, io_error_ms, eat, qmp_garbage_ms, igvm;
        bool no_ready, ignore_powerdown, ignore_quit, echo, notify_garbage, notify_part, no_reason;
        bool no_qmp, qmp_garbage, qmp_garbage_again, qmp_silent, qmp_flood;
        const char *stderr_text, *status, *uptime, *panic_says, *starts;
} Behaviour;

int behaviour_parse(const char *append, Behaviour *ret); /* -EINVAL: an unknown fake.* word */

typedef struct Forward {
        int fd; /* TCP: listening; UDP: bound */
        bool tcp;
        uint16_t guest_port;
} Forward;

typedef struct Share {
        char *id, *path;
        char *tag; /* NULL until a device uses it, which opens it */
        int fd;    /* the directory */
} Share;

/* What the command line says. */
typedef struct Options {
        const char *name, *uuid, *append, *igvm;
        bool stopped, no_shutdown, no_reboot;
        unsigned cpus;
        Forward forwards[FORWARDS_MAX];
        size_t n_forwards;
        Share shares[SHARES_MAX];
        size_t n_shares;
} Options;

/* Whether it stands for a QEMU that is built with IGVM: its file name says so. */
bool has_igvm(void);
/* Loads the file of object igvm-cfg, or ends the process as QEMU does. result: libigvm's, negated;
 * 0 or less: what the file deserves. */
void igvm_load(const char *path, int64_t result);

/* Reads and checks the command line as QEMU does, into `options` and the links; ends the process
 * with QEMU's message and status 1 where QEMU would. */
void options_parse(int argc, char **argv);

/* Notes in the file `log` of a directory that this QEMU starts, or that another one of the same
 * UUID still lives. Exits where it cannot. */
void starts_note(const char *directory);

extern const char *program;
extern Options options;
extern Behaviour behaviour;
extern Link qmp, console, attestation, svsm_log, notify; /* COM1, COM3, COM4 */

/* The machine and its guest. */
typedef enum Run {
        RUN_PRELAUNCH,
        RUN_RUNNING,
        RUN_PAUSED,
        RUN_SHUTDOWN,
        RUN_PANICKED,
        RUN_INTERNAL_ERROR,
        RUN_IO_ERROR
} Run;

extern Run machine_run;

const char *machine_status(void); /* as query-status names it */
const char *machine_cont(void);   /* NULL, or why not */
void machine_stop(void);
void machine_press_power(void);
/* A shutdown for this reason: ends the process unless -no-shutdown holds it. */
void machine_shutdown(bool guest, const char *reason);
void machine_exit(int status) __attribute__((noreturn)); /* sends what is unsent, for a second */
/* Does what is due; returns the milliseconds until something is, or -1. */
int guest_tick(void);
/* Sends a chunk of fake.console-bytes and of fake.notify-lines once the last one is out. */
void guest_fill_console(void);
void guest_fill_notify(void);

/* QMP. */
void qmp_greet(void);
void qmp_noise(void);
void qmp_input(const char *data, size_t size);
void qmp_event(const char *name, const char *data); /* data: JSON text, or NULL */
void qmp_fill_flood(void);

/* The answer to a command that libvirt alone sends, JSON text; NULL: it is none. */
const char *libvirt_answer(const char *command, json_object *arguments);
/* Where libvirt wants to know what this QEMU can do (it alone says -daemonize), becomes the real
 * one, by PATH. */
void libvirt_probe(char **argv);

/* The agent's answer, one JSON line. */
const char *agent_answer(void);
