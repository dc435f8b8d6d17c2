/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The processes that run a CVM: from before its start to its end, again with each launch. Only this
 * module changes them. */

#include "driver/companion.h"
#include "driver/driver.h"

typedef struct VmProcess {
        DriverVm *driver;       /* owned; NULL before start and after the end */
        char *scope;            /* systemd unit of its hypervisor (scope.h), or NULL */
        Companions *companions; /* owned; from before the driver's start to the end */
        int runtime_dirfd;      /* its private directory, or -1 */
} VmProcess;

void vm_process_init(VmProcess *process);
void vm_process_done(VmProcess *process);
/* Takes fd. */
void vm_process_set_directory(VmProcess *process, int fd);
void vm_process_close_directory(VmProcess *process);
/* Takes unit; NULL: it has no scope. */
void vm_process_set_scope(VmProcess *process, char *unit);

/* As the driver's functions of these names. */
int vm_process_start(VmProcess *process, DriverHome *home, const DriverStart *start,
                     const DriverCallbacks *callbacks, void *userdata, CvmError *error);
int vm_process_adopt(VmProcess *process, DriverHome *home, const char *id, json_object *record,
                     const DriverCallbacks *callbacks, void *userdata);
/* Closes the driver's part, after the end or to leave the process running. */
void vm_process_close_driver(VmProcess *process);

/* As companions_start() and companions_adopt(). */
int vm_process_start_companions(VmProcess *process, uv_loop_t *loop, const CompanionsStart *start,
                                const CompanionCallbacks *callbacks, void *userdata,
                                CvmError *error);
int vm_process_adopt_companions(VmProcess *process, uv_loop_t *loop, json_object *record,
                                bool connects, const CompanionCallbacks *callbacks, void *userdata);
void vm_process_end_companions(VmProcess *process);
/* Leaves the companions running, and reports nothing about them any more. */
void vm_process_close_companions(VmProcess *process);
