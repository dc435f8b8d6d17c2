/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A CVM that this process stands for: `cvmctl run`.
 *
 * The process waits on several connections and on its signals at once. Each connection has at most
 * one call open, and a Run survives the loss of all of them: the daemon may be restarted, and the
 * CVM is found again by its id. SIGTERM and SIGINT are blocked and counted: the first asks the CVM
 * to stop, a second one forces it.
 */

#include <json-c/json.h>

#include "launch_spec.h"
#include "output.h"
#include "output_raw.h"
#include "wire/client.h"

#define RUN_RECONNECT_SEC 60 /* how long a daemon may be away, by default */
#define RUN_RETRY_MSEC 100

typedef enum RunLink {
        RUN_MAIN, /* Launch, then Watch */
        RUN_STOP, /* the last Stop */
        RUN_LOGS, /* Logs, with --console */
        _RUN_LINK_MAX,
} RunLink;

typedef struct RunOptions {
        LaunchSpecOptions spec;
        const char *id;    /* or NULL */
        bool wait_running; /* --wait running: it counts as started once it runs */
        bool console, notify;
        bool defaults;           /* no spec file is looked for */
        uint64_t timeout_sec;    /* of the launch; 0: none */
        uint64_t reconnect_msec; /* how long a daemon may be away */
} RunOptions;

typedef struct Run {
        const Cli *cli;
        RunOptions options;
        char *name;
        char *socket;
        char *id; /* of the CVM */
        int signals;
        WireClient *links[_RUN_LINK_MAX]; /* NULL: none */
        unsigned stops;                   /* signals that came */
        bool interrupted;                 /* SIGINT was among them */
        unsigned stops_sent;              /* … of which the daemon knows */
        int64_t sequence;                 /* of the last event seen; -1: none */
        char *reason;                     /* the ending that an event reported, or NULL */
        json_object *cvm;                 /* as it was seen last, or NULL */
        bool announced;                   /* READY=1 is out */
        OutputRaw console;
} Run;

/* Returns EXIT_OK, or the status of what it printed; run_done() in both cases. options: copied. */
ExitStatus run_init(const Cli *cli, const RunOptions *options, const char *name, Run *ret);
void run_done(Run *run);

/* A line for people on stderr, and STATUS= for a service manager. */
void run_say(const Run *run, const char *format, ...) _printf_(2, 3);
/* STATUS= with the CVM's state as it was seen last, and what its guest says of itself. */
void run_show(const Run *run);
/* sd_notify(3), if --notify was given. */
void run_notify(const Run *run, const char *state);

/* Waits until a connection has something to read, msec have passed (-1: no limit) or a signal came.
 * Returns a mask of 1 << RunLink. */
unsigned run_wait(Run *run, int msec);

/* A connection of its own for one purpose, an older one is closed. 0, or -errno. */
int run_connect(Run *run, RunLink link);
void run_disconnect(Run *run, RunLink link);

/* Asks for the CVM, on a connection that lasts no longer. 1: run->cvm is it, and it lives; 0: it
 * has ended, or is not there any more (then run->cvm may be what was seen before); negative: the
 * daemon did not answer. */
int run_look(Run *run);
/* Asks the daemon to stop the CVM, if that has not been done yet. */
void run_stop(Run *run);

/* Launches the CVM, unless one of that name and owner lives: that one is taken over. Returns the
 * status of what it printed, or EXIT_OK with *ret_there: false where the launch was called off by a
 * signal, and no CVM is there. */
ExitStatus run_launch(Run *run, const LaunchSpec *spec, bool *ret_there);
