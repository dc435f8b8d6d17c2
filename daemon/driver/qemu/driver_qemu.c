/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The QEMU driver: a child process, spoken to over QMP.
 *
 * Listening sockets (qmp, console, notify and, where the plan has it, svsm-log) are made in the
 * CVM's runtime directory and handed to QEMU by descriptor. The daemon connects to each before QEMU
 * runs: the connections wait in the listeners' queues, so nothing that the guest says first is
 * lost, and a later daemon connects again by path. QEMU's output goes to a pipe of which the end is
 * kept.
 *
 * Every handle holds a reference; the last close callback frees.
 */
#include "driver/qemu/driver_qemu.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fail_point.h"
#include "base/handles.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"
#include "driver/child.h"
#include "driver/qemu/qemu_command.h"
#include "driver/qemu/qemu_ending.h"
#include "driver/qemu/qemu_spawn.h"
#include "driver/qemu_sockets.h"
#include "local/log.h"
#include "qmp/qmp.h"
#include "wire/stream.h"

/* How long an adopted process's end may go without its parent's notice. */
#define REAP_MSEC 10
#define REAP_TRIES 20u

typedef struct QemuVm {
        DriverVm base;
        Handles handles; /* and one of its own until it is closed */
        bool closed;
        uv_loop_t *loop;
        Child child;
        uint64_t start_time;
        bool own_child; /* not adopted: its exit status is ours to reap */
        uv_poll_t exit_poll;
        uv_timer_t exit_timer; /* while the status of an adopted process is waited for */
        bool exit_watch_open, created;
        unsigned reap_tries;
        Stream output, console, svsm_log, notify;
        QmpClient *qmp;
        Buffer tail;     /* of its output: the last CHILD_TAIL_BYTES */
        EndingKind told; /* how its guest has ended, as QMP says; ENDING_NONE: it has not */
        bool panicked;
} QemuVm;

static QemuVm *qemu(DriverVm *vm)
{
        return container_of(vm, QemuVm, base);
}

static void qemu_free(void *owner)
{
        QemuVm *vm = owner;

        if (vm->child.go_fd >= 0)
                close(vm->child.go_fd);
        if (vm->child.pidfd >= 0)
                close(vm->child.pidfd);
        buffer_done(&vm->tail);
        free(vm);
}

static void on_handle_closed(uv_handle_t *handle)
{
        QemuVm *vm = handle->data;

        handles_closed(&vm->handles);
}

static void on_stream_closed(Stream *stream)
{
        QemuVm *vm = stream->userdata;

        handles_closed(&vm->handles);
}

static void on_exit_timer(uv_timer_t *timer);

static void on_output(Stream *stream, const char *data, size_t size)
{
        QemuVm *vm = stream->userdata;

        (void)buffer_append_last(&vm->tail, data, size, CHILD_TAIL_BYTES);
}

static void on_console(Stream *stream, const char *data, size_t size)
{
        QemuVm *vm = stream->userdata;

        if (!vm->closed)
                stream_ask_pause(stream,
                                 vm->base.callbacks->console(data, size, vm->base.userdata));
}

static void on_svsm_log(Stream *stream, const char *data, size_t size)
{
        QemuVm *vm = stream->userdata;

        if (!vm->closed)
                stream_ask_pause(stream,
                                 vm->base.callbacks->svsm_log(data, size, vm->base.userdata));
}

static void on_notify(Stream *stream, const char *data, size_t size)
{
        QemuVm *vm = stream->userdata;

        if (!vm->closed)
                vm->base.callbacks->notify(data, size, vm->base.userdata);
}

static const StreamCallbacks output_callbacks = {on_output, on_stream_closed};
static const StreamCallbacks console_callbacks = {on_console, on_stream_closed, QEMU_LOG_PACE};
static const StreamCallbacks svsm_log_callbacks = {on_svsm_log, on_stream_closed, QEMU_LOG_PACE};
static const StreamCallbacks notify_callbacks = {on_notify, on_stream_closed, QEMU_NOTIFY_PACE};

/* Takes fd. */
static int open_stream(QemuVm *vm, Stream *stream, int fd, const StreamCallbacks *callbacks)
{
        int r = stream_open(vm->loop, stream, fd, callbacks, vm);

        if (r == 0)
                handles_add(&vm->handles);
        return r;
}

/* Takes the exit status. Another process waits for an adopted one; newer kernels report its status
 * once that has happened. Returns false if the status may still come. */
static bool reap(QemuVm *vm, DriverEnding *ending)
{
        int status, r;

        if (vm->own_child) {
                if (waitpid(vm->child.pid, &status, 0) == vm->child.pid)
                        qemu_ending_set_status(ending, status);
                return true;
        }
        r = process_exit_status(vm->child.pidfd, &status);
        if (r == 0)
                qemu_ending_set_status(ending, status);
        return r != -EAGAIN;
}

static void close_exit_watch(QemuVm *vm)
{
        if (!vm->exit_watch_open)
                return;
        vm->exit_watch_open = false;
        uv_close((uv_handle_t *)&vm->exit_poll, on_handle_closed);
        uv_close((uv_handle_t *)&vm->exit_timer, on_handle_closed);
}

/* Its process is gone; tries to learn how. */
static void take_end(QemuVm *vm)
{
        DriverEnding ending = {};

        if (!reap(vm, &ending) && vm->reap_tries++ < REAP_TRIES) {
                uv_timer_start(&vm->exit_timer, on_exit_timer, REAP_MSEC, 0);
                return;
        }
        fail_point("qemu: reaped");
        close_exit_watch(vm);
        handles_add(&vm->handles); /* pinned for the callbacks below */
        stream_finish(&vm->console);
        stream_finish(&vm->svsm_log);
        stream_finish(&vm->notify);
        stream_finish(&vm->output);
        if (!vm->closed)
                qmp_client_finish(vm->qmp);
        ending.kind = qemu_ending_conclude(vm->told, &ending);
        ending.log = buffer_trim_end(&vm->tail);
        if (!vm->closed)
                vm->base.callbacks->ended(&ending, vm->base.userdata);
        handles_closed(&vm->handles);
}

static void on_exit_timer(uv_timer_t *timer)
{
        take_end(timer->data);
}

static void on_gone(uv_poll_t *poll, int status, int events)
{
        fail_point("qemu: gone");
        uv_poll_stop(poll);
        take_end(poll->data);
}

static int qemu_vm_watch_exit(QemuVm *vm)
{
        int r = uv_poll_init(vm->loop, &vm->exit_poll, vm->child.pidfd);

        if (r < 0)
                return r;
        uv_timer_init(vm->loop, &vm->exit_timer);
        vm->exit_poll.data = vm->exit_timer.data = vm;
        vm->exit_watch_open = true;
        handles_add(&vm->handles);
        handles_add(&vm->handles);
        return uv_poll_start(&vm->exit_poll, UV_READABLE, on_gone);
}

static void qemu_quit(DriverVm *base)
{
        QemuVm *vm = qemu(base);

        fail_point("qemu: to quit");
        if (vm->qmp)
                qmp_client_execute(vm->qmp, "quit", NULL, NULL, NULL);
}

/* With -no-shutdown QEMU, and with it the guest's memory, stays after its guest until it is asked
 * to quit. */
static void leave(QemuVm *vm)
{
        vm->base.callbacks->leaving(vm->told, vm->base.userdata);
        if (!vm->closed)
                qemu_quit(&vm->base);
}

/* Pause and the guest's end stop its CPUs, too: only the state that follows shows why. */
static void on_halt(QmpClient *client, json_object *result, const char *error_class,
                    const char *error_text, void *userdata)
{
        QemuVm *vm = userdata;
        const char *status = result ? json_member_string(result, "status") : NULL;
        RunState state;

        if (vm->closed || !status)
                return;
        state = run_state_parse(status);
        if (state != RUN_STATE_INTERNAL_ERROR && state != RUN_STATE_IO_ERROR)
                return;
        stream_drain(&vm->output); /* what QEMU has to say of it comes before the event */
        vm->base.callbacks->held(state, buffer_trim_end(&vm->tail), vm->base.userdata);
        if (state != RUN_STATE_INTERNAL_ERROR || vm->closed)
                return;
        vm->told = vm->told ?: qemu_ending_of_state(state);
        leave(vm);
}

static void on_qmp_event(QmpClient *client, const char *name, json_object *data, void *userdata)
{
        QemuVm *vm = userdata;

        if (strcmp(name, "SHUTDOWN") == 0) {
                vm->told = vm->told ?: qemu_ending_of_shutdown(json_member_string(data, "reason"));
                leave(vm);
        } else if (strcmp(name, "GUEST_PANICKED") == 0 && !vm->panicked) {
                vm->panicked = true;
                vm->told = ENDING_GUEST_PANIC;
                vm->base.callbacks->panicked(data, vm->base.userdata);
                leave(vm);
        } else if (strcmp(name, "STOP") == 0) {
                qmp_client_execute(client, "query-status", NULL, on_halt, vm);
        }
}

static void on_qmp_closed(QmpClient *client, const char *reason, bool broken, void *userdata)
{
        QemuVm *vm = userdata;
        _cleanup_free_ char *text = NULL;
        bool closed = vm->closed;

        vm->qmp = NULL;
        handles_closed(&vm->handles);
        if (closed)
                return;
        /* If QEMU has gone, its pidfd reports it. A QEMU that keeps running without QMP cannot be
         * asked to quit, only killed. */
        if (!broken)
                return;
        /* QEMU breaks the protocol and cannot be controlled any more: it must not keep running. */
        log_error("QEMU (pid %d) broke the QMP protocol: %s: killed", (int)vm->child.pid, reason);
        text = text_format("QMP: %s\n", reason);
        if (text)
                (void)buffer_append_last(&vm->tail, text, strlen(text), CHILD_TAIL_BYTES);
        process_signal(vm->child.pidfd, SIGKILL);
}

static void on_status(QmpClient *client, json_object *result, const char *error_class,
                      const char *error_text, void *userdata)
{
        QemuVm *vm = userdata;
        const char *status = result ? json_member_string(result, "status") : NULL;

        if (vm->closed || !status)
                return;
        if (!vm->own_child) {
                RunState state = run_state_parse(status);

                /* it may have ended while no daemon was there to hear its event */
                vm->told = vm->told ?: qemu_ending_of_state(state);
                if (vm->told)
                        leave(vm);
                else
                        vm->base.callbacks->adopted(state, vm->base.userdata);
        } else if (!vm->created) {
                vm->created = true;
                vm->base.callbacks->created(vm->base.userdata);
        }
}

static void on_qmp_ready(QmpClient *client, const char *version, void *userdata)
{
        /* The greeting comes when QEMU's monitor is up; an answer to a command, when its main loop
         * runs, with all devices made and all ports bound. */
        qmp_client_execute(client, "query-status", NULL, on_status, userdata);
}

static const QmpCallbacks qmp_callbacks = {
        .ready = on_qmp_ready,
        .event = on_qmp_event,
        .closed = on_qmp_closed,
};

static int open_port(QemuVm *vm, int dirfd, const char *id, QemuSocket which, Stream *stream,
                     const StreamCallbacks *callbacks)
{
        int fd = qemu_socket_connect_kept(dirfd, which, id);

        return fd < 0 ? fd : open_stream(vm, stream, fd, callbacks);
}

/* Connects to the sockets and begins to speak. */
static int connect_all(QemuVm *vm, int dirfd, const char *id)
{
        int fd, r;

        fail_point("qemu: to be reached");
        r = open_port(vm, dirfd, id, QEMU_SOCKET_CONSOLE, &vm->console, &console_callbacks);
        if (r == 0)
                r = open_port(vm, dirfd, id, QEMU_SOCKET_NOTIFY, &vm->notify, &notify_callbacks);
        if (r == 0) {
                r = open_port(vm, dirfd, id, QEMU_SOCKET_SVSM_LOG, &vm->svsm_log,
                              &svsm_log_callbacks);
                if (r == -ENOENT) /* no socket: the plan has none */
                        r = 0;
        }
        if (r < 0)
                return r;
        fd = qemu_socket_connect(dirfd, QEMU_SOCKET_QMP);
        if (fd < 0)
                return fd;
        r = qmp_client_new(vm->loop, fd, &qmp_callbacks, vm, &vm->qmp);
        if (r < 0)
                close(fd);
        else
                handles_add(&vm->handles);
        return r;
}

static QemuVm *qemu_new(uv_loop_t *loop, const DriverCallbacks *callbacks, void *userdata)
{
        QemuVm *vm = calloc(1, sizeof(*vm));

        if (!vm)
                return NULL;
        vm->base = (DriverVm){.ops = &driver_qemu, .callbacks = callbacks, .userdata = userdata};
        handles_init(&vm->handles, 1, qemu_free, vm);
        vm->loop = loop;
        vm->child = (Child){.pidfd = -1, .go_fd = -1};
        vm->output.fd = vm->console.fd = vm->svsm_log.fd = vm->notify.fd = -1;
        return vm;
}

static void qemu_close(DriverVm *base)
{
        QemuVm *vm;

        if (!base)
                return;
        vm = qemu(base);
        if (vm->closed)
                return;
        vm->closed = true;
        stream_close(&vm->console);
        stream_close(&vm->svsm_log);
        stream_close(&vm->notify);
        stream_close(&vm->output);
        close_exit_watch(vm);
        qmp_client_close(vm->qmp);
        handles_closed(&vm->handles);
}

static int qemu_vm_spawn(QemuVm *vm, DriverHome *home, const DriverStart *start, const int *sockets,
                         int output, CvmError *error)
{
        int r = qemu_spawn(home, start, sockets, output, &vm->child, error);

        if (r < 0)
                return r;
        vm->own_child = true;
        r = process_start_time(vm->child.pid, &vm->start_time);
        return r < 0 ? cvm_error_system(error, r, "read the start time of QEMU") : 0;
}

/* A child at its gate that is not wanted any more: it sees its pipe closed and exits; nothing has
 * run. */
static void discard(QemuVm *vm)
{
        if (vm->child.pidfd >= 0) {
                process_signal(vm->child.pidfd, SIGKILL);
                reap(vm, &(DriverEnding){});
        }
        qemu_close(&vm->base);
}

static int qemu_start(DriverHome *home, const DriverStart *start, const DriverCallbacks *callbacks,
                      void *userdata, DriverVm **ret, CvmError *error)
{
        int sockets[_QEMU_SOCKET_MAX] = {-1, -1, -1, -1}, output[2] = {-1, -1}, r = 0;
        QemuVm *vm = qemu_new(home->loop, callbacks, userdata);

        if (!vm)
                return cvm_error_system(error, -ENOMEM, "start QEMU");
        for (size_t i = 0; i < _QEMU_SOCKET_MAX && r == 0; i++) {
                if (i == QEMU_SOCKET_SVSM_LOG &&
                    launch_plan_fd(start->plan, qemu_socket_name(i)) < 0)
                        continue;
                sockets[i] = qemu_socket_listen(start->runtime_dirfd, i);
                if (sockets[i] < 0)
                        r = cvm_error_system(error, sockets[i], "listen on socket %s",
                                             qemu_socket_name(i));
        }
        /* Both ends do not block: a QEMU that talks much loses words rather than time. */
        if (r == 0 && pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0)
                r = cvm_error_system(error, -errno, "make a pipe for QEMU's output");
        if (r == 0)
                r = qemu_vm_spawn(vm, home, start, sockets, output[1], error);
        if (r == 0) {
                r = open_stream(vm, &vm->output, TAKE_FD(output[0]), &output_callbacks);
                if (r == 0)
                        r = qemu_vm_watch_exit(vm);
                if (r == 0)
                        r = connect_all(vm, start->runtime_dirfd, start->id);
                if (r < 0)
                        cvm_error_system(error, r, "connect to QEMU");
        }
        for (size_t i = 0; i < _QEMU_SOCKET_MAX; i++)
                closep(&sockets[i]);
        closep(&output[0]);
        closep(&output[1]);
        if (r < 0) {
                discard(vm);
                return r;
        }
        *ret = &vm->base;
        return 0;
}

static void qemu_go(DriverVm *base)
{
        child_go(&qemu(base)->child); /* if the child has gone, its pidfd reports it */
}

static void qemu_save(const DriverVm *base, json_object *record)
{
        const QemuVm *vm = container_of(base, QemuVm, base);

        json_object_object_add(record, "pid", json_object_new_int64(vm->child.pid));
        json_object_object_add(record, "startTime", json_object_new_uint64(vm->start_time));
}

static int qemu_adopt(DriverHome *home, const char *id, json_object *record, int runtime_dirfd,
                      const DriverCallbacks *callbacks, void *userdata, DriverVm **ret)
{
        QemuVm *vm = qemu_new(home->loop, callbacks, userdata);
        int r;

        if (!vm)
                return -ENOMEM;
        vm->child.pid = (pid_t)json_member_int(record, "pid", 0);
        vm->start_time = (uint64_t)json_member_int(record, "startTime", 0);
        vm->child.pidfd =
                vm->child.pid > 1 ? process_open_verified(vm->child.pid, vm->start_time) : -ESRCH;
        if (vm->child.pidfd < 0) {
                r = vm->child.pidfd;
                vm->child.pidfd = -1;
                qemu_close(&vm->base);
                return r;
        }
        r = qemu_vm_watch_exit(vm);
        if (r == 0)
                r = connect_all(vm, runtime_dirfd, json_member_string(record, "id"));
        if (driver_is_shortage(r)) {
                qemu_close(&vm->base);
                return r;
        }
        if (r < 0) {
                /* it runs, and nobody can speak to it: end it, its exit is watched */
                log_error("cannot reach QEMU (pid %d): %s: killed", (int)vm->child.pid,
                          strerror(-r));
                process_signal(vm->child.pidfd, SIGKILL);
                if (!vm->exit_watch_open) {
                        qemu_close(&vm->base);
                        return r;
                }
        }
        *ret = &vm->base;
        return 0;
}

static int qemu_resume(DriverVm *vm, DriverDone done, void *userdata)
{
        return qemu_command(qemu(vm)->qmp, "cont", done, userdata);
}

static int qemu_pause(DriverVm *vm, DriverDone done, void *userdata)
{
        return qemu_command(qemu(vm)->qmp, "stop", done, userdata);
}

static void qemu_powerdown(DriverVm *base)
{
        QemuVm *vm = qemu(base);

        fail_point("qemu: to power down");
        if (vm->qmp)
                qmp_client_execute(vm->qmp, "system_powerdown", NULL, NULL, NULL);
}

static void qemu_kill(DriverVm *base)
{
        fail_point("qemu: to be killed");
        process_signal(qemu(base)->child.pidfd, SIGKILL);
        fail_point("qemu: killed");
}

static ssize_t qemu_console_write(DriverVm *base, const void *data, size_t size)
{
        return stream_write(&qemu(base)->console, data, size);
}

static pid_t qemu_pid(const DriverVm *base)
{
        return container_of(base, QemuVm, base)->child.pid;
}

static uint64_t qemu_start_time(const DriverVm *base)
{
        return container_of(base, QemuVm, base)->start_time;
}

static int qemu_home_new(uv_loop_t *loop, const Config *config, DriverHome **ret)
{
        return qemu_spawn_home_new(&driver_qemu, loop, ret);
}

const DriverOps driver_qemu = {
        .name = "qemu",
        .home_new = qemu_home_new,
        .home_free = qemu_spawn_home_free,
        .start = qemu_start,
        .go = qemu_go,
        .save = qemu_save,
        .adopt = qemu_adopt,
        .resume = qemu_resume,
        .pause = qemu_pause,
        .powerdown = qemu_powerdown,
        .quit = qemu_quit,
        .kill = qemu_kill,
        .console_write = qemu_console_write,
        .pid = qemu_pid,
        .start_time = qemu_start_time,
        .close = qemu_close,
};
