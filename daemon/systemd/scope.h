/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A transient scope: the unit that systemd makes for a CVM's hypervisor, with its limits and its
 * devices, in cvm.slice. The daemon asks the service manager over D-Bus
 * (org.freedesktop.systemd1(5), StartTransientUnit) and waits for the job's end, bounded; the loop
 * continues meanwhile.
 *
 * A scope goes by itself with its last process. scope_stop() is for one in which something else may
 * be left.
 */

#include "spec/spec.h"
#include "systemd/bus.h"

typedef struct ScopeStart ScopeStart;

typedef struct ScopeSpec {
        const char *unit, *description;
        pid_t pid; /* not reaped before `done` */
        const SpecLimits *limits;
        uint32_t tasks_max; /* where limits has none */
        unsigned msec;      /* how long systemd may take */
        char *const
                *devices; /* paths, ended by NULL: all that it may open but /dev/null and such */
} ScopeSpec;

/* r: 0; -ETIMEDOUT: whether it will be is unknown; -EREMOTEIO: refused, and `reason` is what
 * systemd says (borrowed); -errno: systemd could not be asked. Never from inside scope_start(). */
typedef void (*ScopeDone)(int r, const char *reason, void *userdata);

/* The bus is borrowed, and outlives what is started. 0 or -errno: `done` is not called then. */
int scope_start(uv_loop_t *loop, Bus *bus, const ScopeSpec *spec, ScopeDone done, void *userdata,
                ScopeStart **ret);
/* Before `done` was called: it never will be. The scope may come to be all the same. */
void scope_start_cancel(ScopeStart *start);
/* Asks to stop it; one that is not there is no error. */
void scope_stop(Bus *bus, const char *unit);

/* A change of a scope's limits. */
typedef struct ScopeSet ScopeSet;

/* Asks for the weight and the upper mark of memory of `limits`; one that is 0 is lifted. systemd
 * (SetUnitProperties) changes both or none. `done` as in scope_start(); with -ETIMEDOUT it is
 * unknown whether they are changed. NULL: no caller waits for the answer, and *ret is not set. */
int scope_set_limits(uv_loop_t *loop, Bus *bus, const char *unit, const SpecLimits *limits,
                     unsigned msec, ScopeDone done, void *userdata, ScopeSet **ret);
/* Before `done` was called: it never will be. The limits may be changed all the same. */
void scope_set_cancel(ScopeSet *set);

/* "cvm-NAME-PID.scope": no two processes at a time have one. Newly allocated. */
char *scope_unit_name(const char *name, pid_t pid);
/* Whether scope_unit_name() can have made it. */
bool scope_unit_is_valid(const char *unit);
