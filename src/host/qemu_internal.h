/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the QEMU probe share. A set is an object whose members are null: names without
 * an allocation each for their values. */

#include <stdatomic.h>

#include "base/json.h"
#include "host/qemu_probe.h"

#define QEMU_NAME_MAX 128u

struct QemuProbe {
        atomic_uint refs;
        char *version, *package; /* package may be "" */
        json_object *objects;    /* type to the set of its properties, null where not asked */
        json_object *devices;    /* set */
        json_object *cpus;       /* set */
        json_object *machines;   /* "q35", "virt" to the set of its properties */
        json_object *cpus_max;   /* likewise to the number of vCPUs that it can have */
};

QemuProbe *qemu_probe_new(void);
/* A type, property or model: 1 to QEMU_NAME_MAX printable ASCII characters. */
bool qemu_name_is_valid(const char *name);

/* A running QEMU that is to be asked. */
typedef struct QemuProcess {
        pid_t pid;
        int socket;    /* QMP, connected */
        int output_fd; /* a memory file with its stdout and stderr */
} QemuProcess;

int qemu_process_start(const char *path, QemuProcess *ret);
/* Waits a moment for the process to end if it was asked to quit, then kills it; always reaps it.
 * *ret_output: the end of its output as one line, or NULL if there is none. */
void qemu_process_end(QemuProcess *process, bool at_once, char **ret_output);
