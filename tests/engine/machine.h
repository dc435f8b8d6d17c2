/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A QEMU, real or fake, started for a test with listening sockets for QMP, console and notify, and
 * a blocking talk with it. Every wait is bounded; a wait that fails, fails the test. */

#include <stdio.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/text.h"

#define MACHINE_WAIT_MSEC 20000

typedef struct Machine {
        pid_t pid;
        /* QMP, console, notify. Only QEMU listens there, so that its death refuses a connect. */
        struct sockaddr_un address[3];
        int qmp; /* our end of QMP, or -1 */
        int stderr_fd;
        Buffer input;
        /* What QEMU has said over QMP, a line each; times and versions are left out. */
        Buffer transcript;
} Machine;

typedef enum MachineSocket { MACHINE_QMP, MACHINE_CONSOLE, MACHINE_NOTIFY } MachineSocket;

/* The real QEMU's path, or NULL if there is none here. */
const char *machine_real(void);

/* Starts `program` with -S, -no-shutdown, -no-reboot, q35, the three sockets, and `extra` (ended by
 * NULL, may be NULL). */
void machine_start(Machine *machine, const char *program, const char *const *extra);
/* The same with nothing but `arguments`; the sockets are left out. */
void machine_start_bare(Machine *machine, const char *program, const char *const *arguments);
/* Connects to one of the sockets; the caller closes. */
int machine_connect(const Machine *machine, MachineSocket which);
void machine_await_greeting(Machine *machine);
/* Connects to QMP, hanging up first if need be, and reads the greeting. */
void machine_greet(Machine *machine);
/* Sends a line and reads to its answer; both with the events between go to the transcript. */
void machine_send(Machine *machine, const char *line);
/* The same for a command by name. */
void machine_command(Machine *machine, const char *command);
/* Reads until the event has come. */
void machine_await(Machine *machine, const char *event);
/* Reads to the connection's end. */
void machine_await_end(Machine *machine);
/* Waits for the exit; returns the wait status, and all of stderr if asked (the caller frees). */
int machine_wait(Machine *machine, char **ret_stderr);
/* Kills it if it still lives; closes and frees all. */
void machine_done(Machine *machine);

/* Reads from fd until `text` has come (or, NULL, to the end); returns all, the caller frees. */
char *read_until(int fd, const char *text);
