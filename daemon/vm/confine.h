/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a CVM's hypervisor gets a scope (scope.h), and what becomes of a launch that cannot have
 * one: `scopes` of cvmd.conf(5).
 *
 * off: no CVM has one. auto: where systemd runs; a scope that it refuses is done without, with a
 * warning. required: no CVM runs without. A spec that names limits is never run without them.
 */

#include "systemd/scope.h"
#include "template/plan.h"
#include "vm/vm.h"

/* HostNotReady: a CVM of that spec must have a scope, and none can be made. */
int confine_check(const VmHome *home, const CvmSpec *spec, CvmError *error);
/* Names the scope of a CVM whose process is there: sets vm->process.scope, NULL if it gets none.
 * HostNotReady where there shall be one and no systemd is there. */
int confine_name(Vm *vm, const CvmSpec *spec, CvmError *error);
/* With vm->process.scope on record. 0; 1: it gets none, nothing to wait for; -errno,
 * for confine_failed(). */
int confine_begin(const Vm *vm, const CvmSpec *spec, const LaunchPlan *plan, ScopeDone done,
                  void *userdata, ScopeStart **ret);
/* Returns 0 if the launch may continue without a scope, or LaunchFailed. */
int confine_failed(Vm *vm, const CvmSpec *spec, int r, const char *reason, CvmError *error);
/* What is left of a scope that is on record, of a CVM that has ended. */
void confine_end(Vm *vm);

/* The connection to this daemon's service manager: root's is the system's, any other user's its
 * own. NULL: there is none, or no memory. */
Bus *confine_bus(uv_loop_t *loop);
