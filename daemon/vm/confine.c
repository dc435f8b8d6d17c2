/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/confine.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/text.h"
#include "local/log.h"
#include "vm/home.h"
#include "vm/record.h"

#define SCOPE_MSEC 10000
#define SCOPE_TASKS 256 /* threads of a QEMU besides its vCPUs', if the spec gives no limit */

static bool is_needed(const VmHome *home, const CvmSpec *spec)
{
        return home->config->scopes == SCOPES_REQUIRED || spec_has_limits(spec);
}

static bool is_off(const VmHome *home)
{
        return home->config->scopes == SCOPES_OFF;
}

int confine_check(const Vm *vm, const CvmSpec *spec, CvmError *error)
{
        const VmHome *home = vm->home;
        bool off = is_off(home);

        if (vm->ops && vm->ops->traits.elsewhere)
                return 0;
        if (!is_needed(home, spec) || (!off && home->systemd))
                return 0;
        return cvm_error_host(error, "scopes",
                              off ? "scopes are off in cvmd.conf" : "no service manager",
                              "systemd, to apply the CVM's limits to its control group",
                              off ? "set scopes to auto, or omit limits from the spec"
                                  : "run cvmd under systemd, or omit limits from the spec");
}

int confine_name(Vm *vm, const CvmSpec *spec, CvmError *error)
{
        pid_t pid = vm->ops->pid(vm->process.driver); /* 0: it is not a child of the daemon */

        vm_process_set_scope(&vm->process, NULL);
        if (!is_off(vm->home) && vm->home->systemd && pid > 0) {
                vm_process_set_scope(&vm->process, scope_unit_name(vm->name, pid));
                return vm->process.scope ? 0 : cvm_error_system(error, -ENOMEM, "name a scope");
        }
        return confine_check(vm, spec, error);
}

int confine_begin(const Vm *vm, const CvmSpec *spec, const LaunchPlan *plan, ScopeDone done,
                  void *userdata, ScopeStart **ret)
{
        _cleanup_free_ char *description = NULL;
        ScopeSpec scope = {.unit = vm->process.scope,
                           .pid = vm->ops->pid(vm->process.driver),
                           .limits = &spec->limits,
                           .tasks_max = SCOPE_TASKS + vm->cpus,
                           .devices = plan->devices,
                           .msec = SCOPE_MSEC};

        if (!vm->process.scope)
                return 1;
        description = text_format("Confidential VM %s", vm->name);
        if (!description)
                return -ENOMEM;
        scope.description = description;
        return scope_start(vm->home->loop, vm->home->systemd, &scope, done, userdata, ret);
}

int confine_failed(Vm *vm, const CvmSpec *spec, int r, const char *reason, CvmError *error)
{
        if (!reason)
                reason = strerror(-r);
        if (is_needed(vm->home, spec))
                return cvm_error_launch(error, "starting", NULL,
                                        "systemd did not create a scope for the CVM: %s", reason);
        log_emit(LOG_LEVEL_WARNING, vm->name, vm->id,
                 "systemd did not create a scope for the CVM: %s; it runs in the daemon's control "
                 "group",
                 reason);
        if (r != -ETIMEDOUT)
                vm_process_set_scope(&vm->process, NULL);
        return 0;
}

int confine_limit(const Vm *vm, const SpecLimits *limits, ScopeDone done, void *userdata,
                  ScopeSet **ret, CvmError *error)
{
        int r;

        if (!vm->process.scope || !vm->home->systemd)
                return cvm_error_host(error, "scopes", "the CVM has no control group of its own",
                                      "a scope that systemd has created for the CVM",
                                      "run cvmd under systemd with scopes set to auto or required, "
                                      "and restart the CVM");
        r = scope_set_limits(vm->home->loop, vm->home->systemd, vm->process.scope, limits,
                             SCOPE_MSEC, done, userdata, ret);
        return r < 0 ? cvm_error_system(error, r, "ask systemd to change the CVM's limits") : 0;
}

void confine_restore_limits(const Vm *vm)
{
        _cleanup_(cvm_error_done) CvmError ignored = {};
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        if (spec_parse(vm->spec, &spec, &ignored) == 0)
                (void)confine_limit(vm, &spec->limits, NULL, NULL, NULL, &ignored);
        (void)record_write(vm); /* a failure is logged */
}

void confine_end(Vm *vm)
{
        if (vm->process.scope && vm->home->systemd)
                scope_stop(vm->home->systemd, vm->process.scope);
        vm_process_set_scope(&vm->process, NULL);
}

/* A user's manager has its sockets below XDG_RUNTIME_DIR; a bus alone may be a desktop's without
 * systemd. */
static bool user_manager_is_here(void)
{
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        _cleanup_free_ char *path = runtime ? text_format("%s/systemd/private", runtime) : NULL;

        return path && access(path, F_OK) == 0;
}

Bus *confine_bus(uv_loop_t *loop)
{
        if (geteuid() == 0)
                return sd_booted() > 0 ? bus_new(loop, sd_bus_open_system) : NULL;
        return user_manager_is_here() ? bus_new(loop, sd_bus_open_user) : NULL;
}
