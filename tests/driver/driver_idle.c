/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A driver whose guests do nothing until they are ended: the least that a driver has to be. Each
 * guest is a timer of the daemon's loop and ends with the daemon, so that nothing can be adopted.
 * It has a trait and `probe`, without the other functions that driver libvirt has with them.
 * tests/system/test_third_driver.py launches CVMs by it.
 */

#include <stdlib.h>

#include "driver/driver.h"

typedef struct IdleVm {
        DriverVm base;
        uv_timer_t soon; /* callbacks do not come from inside a call of the driver's functions */
        bool started, ended;
        DriverDone done; /* of a pause or resume that is not reported yet, or NULL */
        void *done_userdata;
        bool closed;
} IdleVm;

static IdleVm *idle(DriverVm *vm)
{
        return container_of(vm, IdleVm, base);
}

static void on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

static void on_soon(uv_timer_t *timer)
{
        static const DriverEnding ending = {.kind = ENDING_POWER_OFF, .log = ""};
        IdleVm *vm = timer->data;
        DriverDone done = TAKE_PTR(vm->done);

        if (done)
                done(vm->ended ? -ECONNRESET : 0, NULL, vm->done_userdata);
        if (vm->closed)
                return;
        if (vm->ended) {
                vm->base.callbacks->ended(&ending, vm->base.userdata);
        } else if (vm->started) {
                vm->started = false;
                vm->base.callbacks->created(vm->base.userdata);
        }
}

/* Alone: each of the functions that a driver may leave out is optional by itself. */
static DriverProbe *idle_probe(DriverHome *home, const char *qemu)
{
        DriverProbe *probe = calloc(1, sizeof(*probe));

        if (probe)
                probe->ops = home->ops;
        return probe;
}

static int idle_start(DriverHome *home, const DriverStart *start, const DriverCallbacks *callbacks,
                      void *userdata, DriverVm **ret, CvmError *error)
{
        IdleVm *vm = calloc(1, sizeof(*vm));

        if (!vm)
                return cvm_error_system(error, -ENOMEM, "start an idle guest");
        vm->base = (DriverVm){.ops = home->ops, .callbacks = callbacks, .userdata = userdata};
        uv_timer_init(home->loop, &vm->soon);
        vm->soon.data = vm;
        *ret = &vm->base;
        return 0;
}

static void idle_go(DriverVm *vm)
{
        idle(vm)->started = true;
        uv_timer_start(&idle(vm)->soon, on_soon, 0, 0);
}

static void idle_save(const DriverVm *vm, json_object *record)
{
}

static int idle_adopt(DriverHome *home, const char *id, json_object *record, int runtime_dirfd,
                      const DriverCallbacks *callbacks, void *userdata, DriverVm **ret)
{
        return -ESRCH;
}

static int idle_obey(DriverVm *base, DriverDone done, void *userdata)
{
        IdleVm *vm = idle(base);

        vm->done = done;
        vm->done_userdata = userdata;
        return uv_timer_start(&vm->soon, on_soon, 0, 0);
}

static void idle_end(DriverVm *vm)
{
        idle(vm)->ended = true;
        uv_timer_start(&idle(vm)->soon, on_soon, 0, 0);
}

static ssize_t idle_console_write(DriverVm *vm, const void *data, size_t size)
{
        return (ssize_t)size;
}

static pid_t idle_pid(const DriverVm *vm)
{
        return 0;
}

static void idle_close(DriverVm *vm)
{
        if (!vm || idle(vm)->closed)
                return;
        idle(vm)->closed = true;
        uv_close((uv_handle_t *)&idle(vm)->soon, on_closed);
}

extern const DriverOps driver_idle;
const DriverOps driver_idle = {
        .name = "idle",
        .traits = {.domain = true},
        .probe = idle_probe,
        .start = idle_start,
        .go = idle_go,
        .save = idle_save,
        .adopt = idle_adopt,
        .resume = idle_obey,
        .pause = idle_obey,
        .powerdown = idle_end,
        .quit = idle_end,
        .kill = idle_end,
        .console_write = idle_console_write,
        .pid = idle_pid,
        .close = idle_close,
};
