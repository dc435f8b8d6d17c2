/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a CVM's hypervisor gets a scope (scope.h), and what follows for a launch that cannot have
 * one: `scopes` of cvmd.conf(5).
 *
 * off: no CVM has one. auto: CVMs have one if systemd runs; if systemd refuses a scope, the CVM
 * runs without it, and a warning is logged. required: no CVM runs without one. A CVM whose spec has
 * limits never runs without a scope.
 */

#include "systemd/scope.h"
#include "template/plan.h"
#include "vm/vm.h"

/* HostNotReady: the CVM, of that spec, must have a scope, and none can be made. */
int confine_check(const Vm *vm, const CvmSpec *spec, CvmError *error);
/* Names the scope of a CVM that has a process: sets vm->process.scope, NULL if it gets none.
 * HostNotReady if a scope is required and systemd does not run. */
int confine_name(Vm *vm, const CvmSpec *spec, CvmError *error);
/* With vm->process.scope on record. 0; 1: it gets none, nothing to wait for; -errno,
 * for confine_failed(). */
int confine_begin(const Vm *vm, const CvmSpec *spec, const LaunchPlan *plan, ScopeDone done,
                  void *userdata, ScopeStart **ret);
/* Returns 0 if the launch may continue without a scope, or LaunchFailed. */
int confine_failed(Vm *vm, const CvmSpec *spec, int r, const char *reason, CvmError *error);
/* Changes the limits of a live CVM's scope as scope_set_limits() does. HostNotReady: the CVM has no
 * scope. */
int confine_limit(const Vm *vm, const SpecLimits *limits, ScopeDone done, void *userdata,
                  ScopeSet **ret, CvmError *error);
/* Gives the scope of a CVM the limits of its spec again, as far as there is one, and notes in its
 * record how many updates still ask for others (vm->limits_in_doubt). */
void confine_restore_limits(const Vm *vm);
/* What is left of a scope that is on record, of a CVM that has ended. */
void confine_end(Vm *vm);

/* The connection to this daemon's service manager: for root the system's, for any other user that
 * user's own. NULL if there is none, or without memory. */
Bus *confine_bus(uv_loop_t *loop);
