/* SPDX-License-Identifier: Apache-2.0 */
#include "api/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "local/log.h"
#include "systemd/machined.h"
#include "wire/manager.h"

#define MACHINED_SOCKET "/run/systemd/machine/io.systemd.Machine"
#define INSTANCE "io.systemd.MachineInstance."
#define FILTER_MAX 64 /* names in a subscription's filter */

static void answer_error(WireCall *call, const char *name)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_set_wire(&error, name, NULL);
        wire_call_error(call, &error);
}

/* The CVM, if the peer may see it and it is there; else answers. */
static bool admit(WireCall *call, Vm *vm)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (!vm->manager || !vm->driver) {
                answer_error(call, INSTANCE "NotConnected");
                return false;
        }
        if (manager_may_see(vm->manager, wire_call_peer(call), vm->owner))
                return true;
        cvm_error_permission_denied(&error);
        wire_call_error(call, &error);
        return false;
}

static void end(WireCall *call, Vm *vm, bool force)
{
        if (!admit(call, vm))
                return;
        vm_stop(vm, force, 0);
        wire_call_reply(call, NULL);
}

static void on_terminate(WireCall *call, json_object *parameters, void *userdata)
{
        end(call, userdata, true);
}

static void on_power_off(WireCall *call, json_object *parameters, void *userdata)
{
        end(call, userdata, false);
}

static void on_reboot(WireCall *call, json_object *parameters, void *userdata)
{
        if (admit(call, userdata))
                answer_error(call, INSTANCE "NotSupported");
}

static void hold(WireCall *call, Vm *vm, VmState from, VmState target)
{
        if (!admit(call, vm))
                return;
        if (vm->state == target)
                wire_call_reply(call, NULL);
        else if (vm->state == from)
                api_hold(call, vm, target, true);
        else
                answer_error(call, INSTANCE "NotSupported");
}

static void on_pause(WireCall *call, json_object *parameters, void *userdata)
{
        hold(call, userdata, VM_RUNNING, VM_PAUSED);
}

static void on_resume(WireCall *call, json_object *parameters, void *userdata)
{
        hold(call, userdata, VM_PAUSED, VM_RUNNING);
}

static void on_describe(WireCall *call, json_object *parameters, void *userdata)
{
        const Vm *vm = userdata;

        if (admit(call, userdata))
                wire_call_reply(
                        call, json_build("running",
                                         json_object_new_boolean(vm->state == VM_RUNNING), "status",
                                         json_object_new_string(vm_state_name(vm->state)), NULL));
}

typedef struct Subscription {
        WireCall *call; /* a reference */
        Vm *vm;         /* a reference */
        VmWatch watch;
        VmState state;       /* that the client knows of */
        json_object *filter; /* owned; NULL: all */
} Subscription;

static void subscription_free(Subscription *subscription)
{
        vm_unwatch(&subscription->watch);
        wire_call_unref(subscription->call);
        vm_unref(subscription->vm);
        json_object_put(subscription->filter);
        free(subscription);
}

static bool is_wanted(const Subscription *subscription, const char *event)
{
        if (!subscription->filter || json_object_array_length(subscription->filter) == 0)
                return true;
        for (size_t i = 0; i < json_object_array_length(subscription->filter); i++)
                if (strcmp(json_object_get_string(
                                   json_object_array_get_idx(subscription->filter, i)),
                           event) == 0)
                        return true;
        return false;
}

static json_object *event_new(const char *event, json_object *data)
{
        return json_build("event", json_object_new_string(event), "data", data, NULL);
}

static void on_changed(Vm *vm, void *userdata)
{
        Subscription *subscription = userdata;
        const char *event = vm->state == VM_PAUSED ? "STOP" : "RESUME";
        VmState old = subscription->state;
        json_object *data = NULL;

        if (!vm->manager || !vm_state_is_live(vm->state)) {
                if (vm->ending.reason)
                        data = json_build("reason", json_object_new_string(vm->ending.reason),
                                          NULL);
                wire_call_reply(subscription->call, event_new("SHUTDOWN", data));
                subscription_free(subscription);
                return;
        }
        subscription->state = vm->state;
        if (vm->state == old || (vm->state != VM_PAUSED && vm->state != VM_RUNNING))
                return;
        /* a client that does not read misses what came meanwhile, never the end */
        if (is_wanted(subscription, event) && !wire_call_is_congested(subscription->call))
                wire_call_continue(subscription->call, event_new(event, NULL));
}

static void on_gone(WireCall *call, void *userdata)
{
        wire_call_reply(call, NULL); /* every call has an end */
        subscription_free(userdata);
}

static bool filter_is_valid(json_object *filter)
{
        size_t n = filter ? json_object_array_length(filter) : 0;

        for (size_t i = 0; i < n; i++)
                if (!json_object_is_type(json_object_array_get_idx(filter, i), json_type_string))
                        return false;
        return n <= FILTER_MAX;
}

static void on_subscribe(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {{"filter", JSON_ARRAY, 0}, {}};
        _cleanup_(cvm_error_done) CvmError error = {};
        Subscription *subscription;
        json_object *filter = NULL;
        Vm *vm = userdata;

        if (!admit(call, vm) || !api_dispatch(call, parameters, fields, &filter))
                return;
        if (!filter_is_valid(filter)) {
                cvm_error_invalid_parameter(&error, "filter");
                wire_call_error(call, &error);
                return;
        }
        subscription = calloc(1, sizeof(*subscription));
        /* a copy: the strings of a call are cleared after it */
        if (!subscription ||
            (filter && json_object_deep_copy(filter, &subscription->filter, NULL) < 0)) {
                free(subscription);
                cvm_error_system(&error, -ENOMEM, "subscribe");
                wire_call_error(call, &error);
                return;
        }
        subscription->call = wire_call_ref(call);
        subscription->vm = vm_ref(vm);
        subscription->watch = (VmWatch){.changed = on_changed, .userdata = subscription};
        subscription->state = vm->state;
        wire_call_on_gone(call, on_gone, subscription);
        vm_watch(vm, &subscription->watch);
        wire_call_continue(call, event_new("READY", NULL));
}

static const WireMethod methods[] = {
        {INSTANCE "Terminate", on_terminate, 0},
        {INSTANCE "PowerOff", on_power_off, 0},
        {INSTANCE "Reboot", on_reboot, 0},
        {INSTANCE "Pause", on_pause, 0},
        {INSTANCE "Resume", on_resume, 0},
        {INSTANCE "Describe", on_describe, 0},
        {INSTANCE "SubscribeEvents", on_subscribe, WIRE_METHOD_NEEDS_MORE},
        {},
};

static const WireInterface interface = {
        .name = "io.systemd.MachineInstance",
        .description = wire_machine_interface,
        .methods = methods,
};

/* For those who may use the daemon at all. */
static int open_control(Vm *vm, const char *path)
{
        static const WireServerInfo info = {
                .vendor = "cvmd", .product = "cvmd", .version = CVMD_VERSION, .url = "io.cvmd"};
        const Manager *manager = vm->manager;
        int r = wire_server_new(manager->loop, &info, &interface, 1, vm, &vm->control);

        if (r == 0)
                r = wire_server_listen_path(vm->control, path, manager->has_users ? 0660 : 0600,
                                            manager->has_users ? manager->users : (gid_t)-1);
        if (r < 0)
                wire_server_close(TAKE_PTR(vm->control));
        return r;
}

void machine_begin(Vm *vm)
{
        const Manager *manager = vm->manager;
        _cleanup_free_ char *path = NULL;
        int r;

        if (!manager->machined || !vm->scope || vm->control)
                return;
        if (asprintf(&path, "%s/%s", manager->machines_path, vm->id) < 0)
                return;
        r = open_control(vm, path);
        if (r < 0) {
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "cannot listen on %s: %s", path,
                         strerror(-r));
                return;
        }
        machined_register(manager->machined, &(MachineSpec){.name = vm->name,
                                                            .id = vm->id,
                                                            .leader = vm->ops->pid(vm->driver),
                                                            .vsock_cid = vm->vsock_cid,
                                                            .control = path});
}

void machine_end(Vm *vm)
{
        if (!vm->control)
                return;
        wire_server_close(TAKE_PTR(vm->control));
        if (vm->manager->machined)
                machined_forget(vm->manager->machined, vm->id);
}

int machines_init(Manager *manager, const char *runtime, CvmError *error)
{
        int r;

        if (strcmp(manager->config->machined, "off") == 0 || !manager->privileged ||
            !manager->systemd)
                return 0;
        if (asprintf(&manager->machines_path, "%s/machines", runtime) < 0)
                return cvm_error_system(error, -ENOMEM, "start");
        r = dir_open_private(manager->machines_path, 0755);
        if (r < 0)
                return cvm_error_system(error, r, "open directory %s", manager->machines_path);
        manager->machines_fd = r;
        manager->machined = machined_new(manager->loop, manager->systemd, MACHINED_SOCKET);
        return manager->machined ? 0 : cvm_error_system(error, -ENOMEM, "start");
}

void machines_done(Manager *manager)
{
        manager->machined = machined_free(manager->machined);
        free(TAKE_PTR(manager->machines_path));
        closep(&manager->machines_fd);
}
