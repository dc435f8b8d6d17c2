/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The spec that `launch` and `render` send: a spec file, the flags over it, checked with
 * spec_parse(), and each file that it names opened here, with the user's own rights, and sent as a
 * descriptor.
 *
 * Flags replace the file's scalars and its forwards; they are added to its env, certs and shares by
 * name, and win there; disks come after the file's.
 */

#include <json-c/json.h>

#include "launch_flags.h"
#include "spec/spec.h"
#include "spec_file.h"

#define LAUNCH_FDS_MAX 64 /* what the daemon takes with one message */
#define LAUNCH_SPEC_BYTES_MAX                                                                      \
        (15u << 20) /* of JSON: a message of 16 MiB less what goes around it */

typedef struct LaunchSpec {
        json_object *object;     /* type Spec of the interface; owned */
        int fds[LAUNCH_FDS_MAX]; /* owned */
        size_t n_fds;
        json_object *paths; /* what ("kernel", "share:TAG") to the path behind its fd; owned */
        SpecFile file;
        CvmError faults;         /* while it is built: what was found so far */
        ExitStatus fault_status; /* of the first path that cannot be opened */
} LaunchSpec;

/* What a spec is built from; borrowed. */
typedef struct LaunchSpecOptions {
        const char *name; /* NULL: that of the file */
        const char *file; /* NULL: none */
        const char *id;   /* of the CVM, from which a missing name is made; NULL: it is refused */
        LaunchFlags flags;
        /* The daemon is only asked what it would run: a path that does not exist here is sent as a
         * path rather than refused, and a missing name is "cvm". */
        bool render;
} LaunchSpecOptions;

/* The name, --file and the flags of launch, run or render. */
LaunchSpecOptions launch_spec_options(const Arguments *arguments);

/* Returns EXIT_OK, or the status of what it printed; likewise below. */
ExitStatus launch_spec_build(const Cli *cli, const LaunchSpecOptions *options, LaunchSpec *ret);
void launch_spec_done(LaunchSpec *spec);
/* Prints why the daemon refused the call with the spec, as spec_file_fail(). */
ExitStatus launch_spec_fail(const Cli *cli, const LaunchSpec *spec, CvmError *error);

/* A spec file alone, checked: paths are made absolute, none is opened; outside a unit credentials
 * are empty. It need not have a name. */
ExitStatus launch_spec_read(const Cli *cli, const char *file, CvmSpec **ret);
