/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon without its main(): a manager and its server in a loop, below a directory of its own,
 * with fake-qemu in QEMU's place and clients over socket pairs. Every wait is bounded; a wait that
 * fails, fails the test. Include after "test.h".
 */

#include "../unit/loop.h"
#include "api/api.h"
#include "launch/launch_internal.h"
#include "manager/manager.h"
#include "parts.h"

#define DAEMON_PORTS 20u /* of its range */

typedef struct HeldTurn HeldTurn;

typedef struct Daemon {
        TestLoop test;
        char *root; /* owned */
        uint16_t first_port;
        Config *config; /* short timeouts; may be changed before daemon_start() */
        Parts parts;
        Manager *manager; /* of the parts */
        WireServer *server;
        HeldTurn *held; /* those of daemon_hold_turns(); NULL: none */
} Daemon;

/* A test with a daemon of its own, daemon_of_test, that was made, started and at its end is done.
 * daemon_fake_qemu is set before the tests run. */
#define daemon_test(function)                                                                      \
        cmocka_unit_test_setup_teardown(function, daemon_set_up, daemon_tear_down)
extern Daemon daemon_of_test;
extern const char *daemon_fake_qemu;
int daemon_set_up(void **state);
int daemon_tear_down(void **state);

void daemon_make(Daemon *daemon, const char *fake_qemu);
void daemon_start(Daemon *daemon);
/* As a daemon goes that is not ending its CVMs: connections, manager, locks. */
void daemon_stop(Daemon *daemon);
/* Stops, fails the test if a directory, child, port or descriptor is left, removes the rest. */
void daemon_done(Daemon *daemon);

/* A path below its directory, owned by the caller. */
char *daemon_path(const Daemon *daemon, const char *relative);
/* How many entries a directory below its directory has. */
size_t daemon_count(const Daemon *daemon, const char *relative);

/* From here until daemon_let_turns_go() no worker is free for what the manager's home.turns do for
 * this user. */
void daemon_hold_turns(Daemon *daemon, uid_t uid);
void daemon_let_turns_go(Daemon *daemon);

int daemon_connect(Daemon *daemon);
/* parameters: JSON text, or NULL. */
void daemon_send(int fd, const char *method, const char *parameters, bool more);
/* The next message, or NULL at the end. */
json_object *daemon_receive(Daemon *daemon, int fd);
/* Over a connection of its own; the last reply. */
json_object *daemon_call(Daemon *daemon, const char *method, const char *parameters);
/* Spec of a CVM that runs fake-qemu so; extra: further members of the spec, ",…" or "". */
char *daemon_spec(const Daemon *daemon, const char *name, const char *behaviour, const char *extra);
/* Launches; extra: members of the call beside spec. */
void daemon_send_launch(Daemon *daemon, int fd, const char *name, const char *behaviour,
                        const char *extra);
json_object *daemon_launch(Daemon *daemon, const char *name, const char *behaviour,
                           const char *extra);

/* NULL: it is not there. */
Vm *daemon_vm(const Daemon *daemon, const char *name);
/* Whether a launch is in progress, and at this step. */
bool daemon_is_at(const Daemon *daemon, LaunchStepId step);
bool daemon_is(const Daemon *daemon, const char *name, VmState state);

/* All of these take the reply from the caller. */
void assert_launched(json_object *reply, const char *state);
void assert_error(json_object *reply, const char *error);
/* A string member of its parameters contains the part. */
void assert_error_says(json_object *reply, const char *error, const char *field, const char *part);
/* The reply's CVM has this state and, if not NULL, reason of its end. */
void assert_cvm(json_object *reply, const char *state, const char *reason);
