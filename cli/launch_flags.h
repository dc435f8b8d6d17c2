/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The options of launch, run and render that stand for fields of the spec. */

#include <json-c/json.h>

#include "arguments.h"
#include "spec/spec.h"

/* What was given; borrowed from the arguments. NULL, false and n = 0: not given. Texts are as the
 * user wrote them. */
typedef struct LaunchFlags {
        const char *platform, *cmdline, *network, *driver, *memory, *restart, *remove;
        const char *image;
        const char *artifacts[_ARTIFACT_KIND_MAX]; /* a path, or embedded:NAME */
        const char *env_file, *certs, *svsm_attestation;
        OptionValues env, shares, disks, gpus, publish, security, labels;
        int64_t cpus;       /* -1: not given */
        uint64_t ttl_sec;   /* 0: not given */
        uint64_t vsock_cid; /* 0: any that is free */
        bool vsock, bind_workload, confidential, debug, svsm_log;
} LaunchFlags;

LaunchFlags launch_flags_options(const Arguments *arguments);

/* Puts the flags into a spec, an object of the interface's type Spec. Returns EXIT_OK, or the
 * status of what it printed. */
ExitStatus launch_flags_apply(const Cli *cli, const LaunchFlags *flags, json_object *object);
