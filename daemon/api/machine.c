/* SPDX-License-Identifier: Apache-2.0 */
#include "api/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "api/api.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "base/tree.h"
#include "launch/recover.h"
#include "local/log.h"
#include "systemd/machined.h"
#include "vm/record.h"
#include "wire/manager.h"

#define MACHINED_SOCKET "/run/systemd/machine/io.systemd.Machine"
#define INSTANCE "io.systemd.MachineInstance."
#define FILTER_MAX 64 /* names in a subscription's filter */

typedef struct Machine {
        Machines *machines;
        Vm *vm;              /* which is live: it ends before it is removed */
        WireServer *control; /* its socket; NULL: it could not be made */
        LIST_ENTRY(Machine) next;
} Machine;

struct Machines {
        Manager *manager; /* borrowed */
        Machined *machined;
        char *path; /* of their sockets */
        VmWatch watch;
        LIST_HEAD(, Machine) all;
};

/* The CVM. NotConnected if it is not there, PermissionDenied if the peer may not see it. */
static int machine_admit(WireCall *call, const Machine *machine, Vm **ret, CvmError *error)
{
        Vm *vm = machine->vm;

        if (vm->removed || !vm->process.driver)
                return cvm_error_set_wire(error, INSTANCE "NotConnected", NULL);
        if (!manager_may_see(machine->machines->manager, wire_call_peer(call), vm->owner))
                return cvm_error_permission_denied(error);
        wire_call_concerns(call, vm->name, vm->id);
        *ret = vm;
        return 0;
}

static int machine_terminate(WireCall *call, const Machine *machine, bool force, CvmError *error)
{
        Vm *vm;
        int r = machine_admit(call, machine, &vm, error);

        if (r < 0)
                return r;
        api_log_stop(call, vm, force ? "Terminate" : "PowerOff", force);
        vm_stop(vm, ENDING_STOPPED, force, 0);
        wire_call_reply(call, NULL);
        return 0;
}

static int on_terminate(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        return machine_terminate(call, userdata, true, error);
}

static int on_power_off(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        return machine_terminate(call, userdata, false, error);
}

static int on_reboot(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Vm *vm;
        int r = machine_admit(call, userdata, &vm, error);

        return r < 0 ? r : cvm_error_set_wire(error, INSTANCE "NotSupported", NULL);
}

static void on_switched(Vm *vm, CvmError *error, void *userdata)
{
        WireCall *call = userdata;

        if (error)
                wire_call_error(call, error);
        else
                record_reply(vm, call, NULL);
        wire_call_unref(call);
}

static int machine_switch(WireCall *call, const Machine *machine, VmState target, CvmError *error)
{
        VmState from = target == VM_PAUSED ? VM_RUNNING : VM_PAUSED;
        Vm *vm;
        int r = machine_admit(call, machine, &vm, error);

        if (r < 0)
                return r;
        if (vm->state == target) {
                wire_call_reply(call, NULL);
                return 0;
        }
        if (vm->state != from)
                return cvm_error_set_wire(error, INSTANCE "NotSupported", NULL);
        api_log_call(call, vm, target == VM_PAUSED ? "Pause" : "Resume");
        if (target == VM_PAUSED)
                vm_pause(vm, on_switched, wire_call_ref(call));
        else
                vm_resume(vm, on_switched, wire_call_ref(call));
        return 0;
}

static int on_pause(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        return machine_switch(call, userdata, VM_PAUSED, error);
}

static int on_resume(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        return machine_switch(call, userdata, VM_RUNNING, error);
}

static int on_describe(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Vm *vm;
        int r = machine_admit(call, userdata, &vm, error);

        if (r < 0)
                return r;
        wire_call_reply(call, json_build("running",
                                         json_object_new_boolean(vm->state == VM_RUNNING), "status",
                                         json_object_new_string(vm_state_name(vm->state)), NULL));
        return 0;
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

static bool machine_is_wanted(const Subscription *subscription, const char *event)
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

        if (vm->removed || !vm_state_is_live(vm->state)) {
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
        if (machine_is_wanted(subscription, event) && !wire_call_is_congested(subscription->call))
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

static int on_subscribe(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {{"filter", JSON_ARRAY, 0}, {}};
        Subscription *subscription;
        json_object *filter = NULL;
        Vm *vm;
        int r = machine_admit(call, userdata, &vm, error);

        if (r == 0)
                r = api_dispatch(parameters, fields, &filter, error);
        if (r < 0)
                return r;
        if (!filter_is_valid(filter))
                return cvm_error_invalid_parameter(error, "filter",
                                                   "must be an array of at most %d names of events",
                                                   FILTER_MAX);
        subscription = calloc(1, sizeof(*subscription));
        /* a copy: the strings of a call are cleared after it */
        if (!subscription ||
            (filter && json_object_deep_copy(filter, &subscription->filter, NULL) < 0)) {
                free(subscription);
                return cvm_error_system(error, -ENOMEM, "subscribe");
        }
        subscription->call = wire_call_ref(call);
        subscription->vm = vm_ref(vm);
        subscription->watch = (VmWatch){.changed = on_changed, .userdata = subscription};
        subscription->state = vm->state;
        wire_call_on_gone(call, on_gone, subscription);
        vm_watch(vm, &subscription->watch);
        wire_call_continue(call, event_new("READY", NULL));
        return 0;
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
static int open_control(Machine *machine, const char *path)
{
        static const WireServerInfo info = {.vendor = "cvmd",
                                            .product = "cvmd",
                                            .version = CVMD_VERSION,
                                            .url = "man:io.cvmd.Manager(7)"};
        const Manager *manager = machine->machines->manager;
        int r = wire_server_new(manager->home.loop, &info, &interface, 1, machine,
                                &machine->control);

        if (r == 0)
                r = wire_server_listen_path(machine->control, path,
                                            manager->has_users ? 0660 : 0600,
                                            manager->has_users ? manager->users : (gid_t)-1);
        if (r < 0)
                wire_server_close(TAKE_PTR(machine->control));
        return r;
}

static Machine *machine_find(const Machines *machines, const Vm *vm)
{
        Machine *machine;

        LIST_FOREACH (machine, &machines->all, next)
                if (machine->vm == vm)
                        return machine;
        return NULL;
}

/* The CVM runs, or was found running. */
static void machine_begin(Machines *machines, Vm *vm)
{
        Machine *machine = calloc(1, sizeof(*machine));
        _cleanup_free_ char *path = NULL;
        int r;

        if (!machine || !(path = text_format("%s/%s", machines->path, vm->id))) {
                free(machine);
                return;
        }
        *machine = (Machine){.machines = machines, .vm = vm};
        LIST_INSERT_HEAD(&machines->all, machine, next);
        r = open_control(machine, path);
        if (r < 0) {
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "cannot listen on %s: %s", path,
                         strerror(-r));
                return;
        }
        machined_register(machines->machined,
                          &(MachineSpec){.name = vm->name,
                                         .id = vm->id,
                                         .leader = vm->ops->pid(vm->process.driver),
                                         .vsock_cid = vm->reserved.vsock_cid,
                                         .control = path});
}

static void machine_end(Machine *machine)
{
        LIST_REMOVE(machine, next);
        if (machine->control) {
                wire_server_close(machine->control);
                machined_forget(machine->machines->machined, machine->vm->id);
        }
        free(machine);
}

static void on_any_changed(Vm *vm, void *userdata)
{
        Machines *machines = userdata;
        Machine *machine = machine_find(machines, vm);
        bool runs = !vm->removed && vm->process.driver && vm->process.scope &&
                    (vm->state == VM_RUNNING || vm->state == VM_PAUSED || vm->state == VM_STOPPING);

        if (!machine && runs)
                machine_begin(machines, vm);
        else if (machine &&
                 (vm->removed || !vm_state_is_live(vm->state) || vm->state == VM_RESTARTING))
                machine_end(machine);
}

/* What an earlier daemon has left of CVMs that have ended meanwhile. */
static void clean(const Manager *manager, int fd)
{
        DIR *dir = fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
                close(fd);
                return;
        }
        while ((entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    !recover_is_owned(manager, entry->d_name))
                        tree_remove_at(dirfd(dir), entry->d_name);
        closedir(dir);
}

int machines_new(Manager *manager, const char *runtime, Machines **ret, CvmError *error)
{
        Machines *machines;
        Vm *vm;
        int fd;

        *ret = NULL;
        if (manager->home.config->machined == MACHINED_OFF || !manager->privileged ||
            !manager->home.systemd)
                return 0;
        machines = calloc(1, sizeof(*machines));
        if (!machines || !(machines->path = text_format("%s/machines", runtime))) {
                free(machines);
                return cvm_error_system(error, -ENOMEM, "start");
        }
        fd = dir_open_private(machines->path, 0755);
        if (fd < 0) {
                cvm_error_system(error, fd, "open directory %s", machines->path);
                free(machines->path);
                free(machines);
                return fd;
        }
        clean(manager, fd);
        machines->manager = manager;
        machines->machined =
                machined_new(manager->home.loop, manager->home.systemd, MACHINED_SOCKET);
        if (!machines->machined) {
                free(machines->path);
                free(machines);
                return cvm_error_system(error, -ENOMEM, "start");
        }
        machines->watch = (VmWatch){.changed = on_any_changed, .userdata = machines};
        vm_watch_all(&manager->home, &machines->watch);
        VM_TABLE_FOREACH_LIVE (vm, &manager->home.table)
                on_any_changed(vm, machines);
        *ret = machines;
        return 0;
}

Machines *machines_free(Machines *machines)
{
        if (!machines)
                return NULL;
        vm_unwatch(&machines->watch);
        while (!LIST_EMPTY(&machines->all))
                machine_end(LIST_FIRST(&machines->all));
        machined_free(machines->machined);
        free(machines->path);
        free(machines);
        return NULL;
}
