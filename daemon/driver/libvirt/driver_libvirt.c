/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The libvirt driver: a transient domain, known by the CVM's UUID.
 *
 * libvirt makes the sockets of console and notify port where the plan says, in the CVM's runtime
 * directory; the daemon connects to both before the guest runs. The sockets belong to QEMU: they
 * stay while libvirt is away, and systemd keeps the connections while no daemon runs. A domain that
 * is to be ended while libvirt cannot be reached is on the list of condemned domains: it is
 * destroyed when libvirt is back.
 */
#include "driver/libvirt/driver_libvirt.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/handles.h"
#include "base/json.h"
#include "base/text.h"
#include "driver/libvirt/libvirt_hooks.h"
#include "driver/qemu_sockets.h"
#include "local/log.h"
#include "wire/stream.h"

struct LibvirtVm {
        DriverVm base;
        LibvirtHome *home; /* NULL: closed */
        LibvirtVm *next;
        uv_loop_t *loop;
        Handles handles; /* and one of its own until it is closed */
        char id[37];
        char *xml;         /* until it is created */
        uint64_t creating; /* serial of the command; 0: none */
        bool begun;        /* a domain may be there */
        bool known;        /* created or adopted has been reported */
        bool adopting, killed, ended;
        bool panicked;
        bool paused;       /* as last seen */
        EndingKind ending; /* why its guest ends, as QEMU says, or ENDING_NONE */
        int runtime_dirfd;
        Stream console, notify;
        uv_check_t soon; /* reports an end that no news will report */
};

static LibvirtVm *libvirt(DriverVm *vm)
{
        return container_of(vm, LibvirtVm, base);
}

static void libvirt_free(void *owner)
{
        LibvirtVm *vm = owner;

        free(vm->xml);
        free(vm);
}

static void on_stream_closed(Stream *stream)
{
        LibvirtVm *vm = stream->userdata;

        handles_closed(&vm->handles);
}

static void on_console(Stream *stream, const char *data, size_t size)
{
        LibvirtVm *vm = stream->userdata;

        if (vm->home)
                stream_ask_pause(stream,
                                 vm->base.callbacks->console(data, size, vm->base.userdata));
}

static void on_notify(Stream *stream, const char *data, size_t size)
{
        LibvirtVm *vm = stream->userdata;

        if (vm->home)
                vm->base.callbacks->notify(data, size, vm->base.userdata);
}

static const StreamCallbacks console_callbacks = {on_console, on_stream_closed, QEMU_LOG_PACE};
static const StreamCallbacks notify_callbacks = {on_notify, on_stream_closed, QEMU_NOTIFY_PACE};

static int connect_stream(LibvirtVm *vm, Stream *stream, QemuSocket which,
                          const StreamCallbacks *callbacks)
{
        int fd, r;

        if (stream_is_open(stream))
                return 0;
        fd = qemu_socket_connect_kept(vm->runtime_dirfd, which, vm->id);
        if (fd < 0)
                return fd;
        r = stream_open(vm->loop, stream, fd, callbacks, vm);
        if (r == 0)
                handles_add(&vm->handles);
        return r;
}

static int connect_streams(LibvirtVm *vm)
{
        int r = connect_stream(vm, &vm->console, QEMU_SOCKET_CONSOLE, &console_callbacks);

        return r < 0 ? r : connect_stream(vm, &vm->notify, QEMU_SOCKET_NOTIFY, &notify_callbacks);
}

/* Condemned domains. */

static void condemn(LibvirtHome *home, const char *id)
{
        if (libvirt_condemned_add(&home->condemned, id))
                libvirt_link_command(home->link, LIBVIRT_DESTROY, id, NULL);
}

static void absolve(LibvirtHome *home, const char *id)
{
        libvirt_condemned_remove(&home->condemned, id);
}

static void update_want(LibvirtHome *home)
{
        libvirt_link_want(home->link, home->vms || home->condemned);
}

/* Endings. */

static void libvirt_vm_end(LibvirtVm *vm, EndingKind kind, const char *log)
{
        const DriverEnding ending = {.kind = vm->ending ?: kind, .log = log ?: ""};

        if (vm->ended)
                return;
        vm->ended = true;
        handles_add(&vm->handles); /* pinned for the callbacks below */
        stream_finish(&vm->console);
        stream_finish(&vm->notify);
        if (vm->home)
                vm->base.callbacks->ended(&ending, vm->base.userdata);
        handles_closed(&vm->handles);
}

static void on_soon_closed(uv_handle_t *handle)
{
        LibvirtVm *vm = handle->data;

        if (vm->home)
                libvirt_vm_end(vm, ENDING_KILLED, "");
        handles_closed(&vm->handles);
}

/* Nothing exists that would report the end. */
static void end_soon(LibvirtVm *vm)
{
        if (uv_check_init(vm->loop, &vm->soon) < 0)
                return;
        vm->soon.data = vm;
        handles_add(&vm->handles);
        uv_close((uv_handle_t *)&vm->soon, on_soon_closed);
}

/* News. */

static void on_created(LibvirtVm *vm, const LibvirtNews *news)
{
        int r;

        vm->creating = 0;
        if (news->r < 0) {
                if (news->r == -ENOTCONN)
                        condemn(vm->home, vm->id);
                libvirt_vm_end(vm, ENDING_QEMU_EXIT, news->text);
                return;
        }
        if (vm->killed) {
                /* its destruction may have come before it was there */
                vm->base.ops->kill(&vm->base);
                return;
        }
        r = connect_streams(vm);
        if (r < 0) {
                log_error("cannot reach the console of domain %s: %s", vm->id, strerror(-r));
                vm->base.ops->kill(&vm->base);
                return;
        }
        vm->known = vm->paused = true;
        vm->base.callbacks->created(vm->base.userdata);
}

/* QEMU, and with it the guest's memory, stays until it is asked to quit. */
static void on_broken(LibvirtVm *vm, bool adopting)
{
        if (vm->ending)
                return;
        if (!adopting)
                vm->base.callbacks->held(RUN_STATE_INTERNAL_ERROR, "", vm->base.userdata);
        vm->ending = ENDING_INTERNAL_ERROR;
        vm->base.callbacks->leaving(vm->ending, vm->base.userdata);
        vm->base.ops->quit(&vm->base);
}

static void tell_status(LibvirtVm *vm, int status)
{
        bool paused = status != LIBVIRT_IS_RUNNING, changed = paused != vm->paused;
        bool adopting = vm->adopting;
        RunState state = status == LIBVIRT_IS_FAILING ? RUN_STATE_IO_ERROR
                         : paused                     ? RUN_STATE_PAUSED
                                                      : RUN_STATE_RUNNING;

        vm->paused = paused;
        if (adopting) {
                int r = connect_streams(vm);

                vm->adopting = false;
                vm->known = true;
                if (r < 0)
                        log_error("cannot reach the console of domain %s: %s", vm->id,
                                  strerror(-r));
        }
        if (status == LIBVIRT_IS_BROKEN && vm->known)
                on_broken(vm, adopting);
        else if (adopting)
                vm->base.callbacks->adopted(state, vm->base.userdata);
        else if (vm->known && changed && status == LIBVIRT_IS_FAILING)
                vm->base.callbacks->held(state, "", vm->base.userdata);
        else if (vm->known && changed)
                vm->base.callbacks->status(state, vm->base.userdata);
}

static void on_looked(LibvirtVm *vm, const LibvirtNews *news)
{
        if (vm->creating)
                return; /* it is not there yet */
        if (news->r == -ESRCH)
                libvirt_vm_end(vm, ENDING_LOST, "the domain ended while libvirt was not available");
        else if (news->r == 0 && news->detail != LIBVIRT_IS_ENDING)
                tell_status(vm, news->detail);
}

static void on_done(LibvirtHome *home, LibvirtVm *vm, const LibvirtNews *news)
{
        _cleanup_free_ LibvirtPending *pending = NULL;

        if (news->verb == LIBVIRT_CREATE && vm && vm->creating == news->serial)
                on_created(vm, news);
        else if (news->verb == LIBVIRT_CREATE && news->r == 0)
                condemn(home, news->id); /* it belongs to no CVM any more */
        else if (news->verb == LIBVIRT_LOOK && vm)
                on_looked(vm, news);
        else if (news->verb == LIBVIRT_DESTROY && (news->r == 0 || news->r == -ESRCH))
                absolve(home, news->id);
        if (news->verb == LIBVIRT_DESTROY && vm && vm->creating && news->r < 0 &&
            news->r != -ENOTCONN)
                libvirt_link_command(home->link, LIBVIRT_DESTROY, vm->id, NULL); /* too early */
        else if (news->verb == LIBVIRT_DESTROY && news->r == -ESRCH && vm && !vm->creating)
                libvirt_vm_end(vm, ENDING_LOST, "the domain no longer existed");
        pending = libvirt_pending_take(&home->pending, news->serial);
        if (pending) {
                int r = news->r == -ESRCH ? -ECONNRESET : news->r < 0 ? -EIO : 0;

                if (vm && r == 0)
                        vm->paused = news->verb == LIBVIRT_SUSPEND;
                pending->done(r, news->text, pending->userdata);
        }
        update_want(home);
}

static void on_ended(LibvirtVm *vm, const char *how)
{
        if (vm->creating)
                return; /* the answer to its creation says more */
        if (strcmp(how, "power-off") == 0)
                libvirt_vm_end(vm, ENDING_POWER_OFF, "");
        else if (strcmp(how, "destroyed") == 0)
                libvirt_vm_end(vm, ENDING_STOPPED,
                               vm->killed ? "" : "it was destroyed through libvirt");
        else if (strcmp(how, "crashed") == 0)
                libvirt_vm_end(vm, ENDING_GUEST_PANIC, "");
        else
                libvirt_vm_end(vm, ENDING_QEMU_EXIT, "libvirt has lost the domain's QEMU");
}

/* QEMU's ShutdownCause (qapi/run-state.json) as an ending. */
static void on_shutting(LibvirtVm *vm, const char *cause)
{
        static const struct {
                const char *cause;
                EndingKind kind;
        } causes[] = {
                {"guest-shutdown", ENDING_POWER_OFF},  {"guest-reset", ENDING_GUEST_RESET},
                {"guest-panic", ENDING_GUEST_PANIC},   {"host-error", ENDING_INTERNAL_ERROR},
                {"snapshot-load", ENDING_GUEST_RESET}, {"subsystem-reset", ENDING_GUEST_RESET},
        };

        for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
                if (!vm->ending && strcmp(cause, causes[i].cause) == 0) {
                        vm->ending = causes[i].kind;
                        vm->base.callbacks->leaving(vm->ending, vm->base.userdata);
                        return;
                }
}

static void on_panicked(LibvirtVm *vm, const char *text)
{
        _cleanup_json_ json_object *data = NULL;

        if (vm->panicked || json_parse(text, strlen(text), &data, NULL) < 0)
                return;
        vm->panicked = true;
        vm->base.callbacks->panicked(data, vm->base.userdata);
}

static void on_connected(LibvirtHome *home)
{
        if (home->lost)
                log_info("libvirt is back");
        home->lost = false;
        for (const LibvirtCondemned *c = home->condemned; c; c = c->next)
                libvirt_link_command(home->link, LIBVIRT_DESTROY, c->id, NULL);
        for (LibvirtVm *vm = home->vms; vm; vm = vm->next)
                if (vm->begun && !vm->creating && !vm->ended)
                        libvirt_link_command(home->link,
                                             vm->killed ? LIBVIRT_DESTROY : LIBVIRT_LOOK, vm->id,
                                             NULL);
}

static void on_news(const LibvirtNews *news, void *userdata)
{
        LibvirtHome *home = userdata;
        LibvirtVm *vm = home->vms;

        while (vm && strcmp(vm->id, news->id) != 0)
                vm = vm->next;
        if (vm && vm->ended)
                vm = NULL;
        switch (news->kind) {
        case LIBVIRT_DONE:
                on_done(home, vm, news);
                break;
        case LIBVIRT_CONNECTED:
                on_connected(home);
                break;
        case LIBVIRT_LOST:
                home->lost = true;
                log_warning(
                        "libvirt is gone: %s; its CVMs keep running, and are searched for again",
                        news->text);
                break;
        case LIBVIRT_CHANGED:
                if (vm)
                        libvirt_link_command(home->link, LIBVIRT_LOOK, vm->id, NULL);
                break;
        case LIBVIRT_SHUTTING:
                if (vm && vm->known)
                        on_shutting(vm, news->text);
                break;
        case LIBVIRT_PANICKED:
                if (vm && vm->known)
                        on_panicked(vm, news->text);
                break;
        case LIBVIRT_ENDED:
                if (vm)
                        on_ended(vm, news->text);
                break;
        }
}

/* The driver's functions. */

static LibvirtVm *libvirt_new(DriverHome *home, const char *id, const DriverCallbacks *callbacks,
                              void *userdata)
{
        LibvirtVm *vm = calloc(1, sizeof(*vm));

        if (!vm)
                return NULL;
        vm->base = (DriverVm){.ops = &driver_libvirt, .callbacks = callbacks, .userdata = userdata};
        handles_init(&vm->handles, 1, libvirt_free, vm);
        vm->home = container_of(home, LibvirtHome, base);
        vm->loop = home->loop;
        text_copy(vm->id, sizeof(vm->id), id);
        vm->console.fd = vm->notify.fd = -1;
        vm->next = vm->home->vms;
        vm->home->vms = vm;
        return vm;
}

static int libvirt_start(DriverHome *home, const DriverStart *start,
                         const DriverCallbacks *callbacks, void *userdata, DriverVm **ret,
                         CvmError *error)
{
        LibvirtVm *vm = libvirt_new(home, start->id, callbacks, userdata);

        if (vm)
                vm->xml = strdup(start->plan->domain);
        if (!vm || !vm->xml) {
                if (vm)
                        driver_libvirt.close(&vm->base);
                return cvm_error_system(error, -ENOMEM, "start the domain");
        }
        vm->runtime_dirfd = start->runtime_dirfd;
        *ret = &vm->base;
        return 0;
}

static void libvirt_go(DriverVm *base)
{
        LibvirtVm *vm = libvirt(base);

        absolve(vm->home, vm->id);
        vm->creating = libvirt_link_command(vm->home->link, LIBVIRT_CREATE, vm->id, vm->xml);
        free(TAKE_PTR(vm->xml));
        vm->begun = vm->creating != 0;
        if (!vm->begun)
                end_soon(vm);
}

static void libvirt_save(const DriverVm *base, json_object *record)
{
}

static int libvirt_adopt(DriverHome *home, const char *id, json_object *record, int runtime_dirfd,
                         const DriverCallbacks *callbacks, void *userdata, DriverVm **ret)
{
        LibvirtVm *vm = libvirt_new(home, id, callbacks, userdata);

        if (!vm)
                return -ENOMEM;
        vm->runtime_dirfd = runtime_dirfd;
        vm->adopting = vm->begun = true;
        /* what it has said meanwhile waits there, whether libvirt knows of it or not */
        (void)connect_streams(vm);
        /* where libvirt is not there, on_connected() asks again */
        libvirt_link_command(vm->home->link, LIBVIRT_LOOK, vm->id, NULL);
        update_want(vm->home);
        *ret = &vm->base;
        return 0;
}

static int libvirt_command(LibvirtVm *vm, LibvirtVerb verb, DriverDone done, void *userdata)
{
        return libvirt_pending_add(&vm->home->pending, vm->home->link, verb, vm->id, done,
                                   userdata);
}

static int libvirt_resume(DriverVm *base, DriverDone done, void *userdata)
{
        return libvirt_command(libvirt(base), LIBVIRT_RESUME, done, userdata);
}

static int libvirt_pause(DriverVm *base, DriverDone done, void *userdata)
{
        return libvirt_command(libvirt(base), LIBVIRT_SUSPEND, done, userdata);
}

static void libvirt_powerdown(DriverVm *base)
{
        libvirt_link_command(libvirt(base)->home->link, LIBVIRT_SHUTDOWN, libvirt(base)->id, NULL);
}

static void libvirt_quit(DriverVm *base)
{
        LibvirtVm *vm = libvirt(base);

        vm->killed = true;
        libvirt_link_command(vm->home->link, LIBVIRT_QUIT, vm->id, NULL);
}

static void libvirt_kill(DriverVm *base)
{
        LibvirtVm *vm = libvirt(base);

        vm->killed = true;
        if (vm->begun)
                libvirt_link_command(vm->home->link, LIBVIRT_DESTROY, vm->id, NULL);
        else
                end_soon(vm);
}

static ssize_t libvirt_console_write(DriverVm *base, const void *data, size_t size)
{
        return stream_write(&libvirt(base)->console, data, size);
}

static pid_t libvirt_pid(const DriverVm *base)
{
        return 0;
}

static void libvirt_close(DriverVm *base)
{
        LibvirtHome *home;
        LibvirtVm *vm;

        if (!base)
                return;
        vm = libvirt(base);
        home = vm->home;
        if (!home)
                return;
        for (LibvirtVm **v = &home->vms; *v; v = &(*v)->next)
                if (*v == vm) {
                        *v = vm->next;
                        break;
                }
        vm->home = NULL;
        if (vm->killed && vm->begun && !vm->ended)
                condemn(home, vm->id);
        stream_close(&vm->console);
        stream_close(&vm->notify);
        handles_closed(&vm->handles);
        update_want(home);
}

static void libvirt_home_free(DriverHome *base)
{
        LibvirtHome *home = container_of(base, LibvirtHome, base);

        libvirt_link_free(home->link);
        free(home->uri);
        free(home->user);
        free(home);
}

static int libvirt_home_new(uv_loop_t *loop, const Config *config, DriverHome **ret)
{
        const struct passwd *user = geteuid() == 0 ? getpwnam(config->libvirt_user) : NULL;
        LibvirtHome *home = calloc(1, sizeof(*home));
        int r = -ENOMEM;

        if (!home)
                return r;
        home->base = (DriverHome){.ops = &driver_libvirt,
                                  .loop = loop,
                                  .uid = user ? user->pw_uid : 0,
                                  .gid = user ? user->pw_gid : 0};
        home->uri = strdup(config->libvirt_uri);
        home->user = strdup(config->libvirt_user);
        if (home->uri && home->user)
                r = libvirt_link_new(loop, home->uri, on_news, home, &home->link);
        if (r < 0) {
                libvirt_home_free(&home->base);
                return r;
        }
        *ret = &home->base;
        return 0;
}

static void libvirt_home_close(DriverHome *base)
{
        LibvirtHome *home = container_of(base, LibvirtHome, base);

        libvirt_link_close(home->link);
        libvirt_pending_fail(home->pending, "the daemon is shutting down");
        libvirt_condemned_free(home->condemned);
}

const DriverOps driver_libvirt = {
        .name = "libvirt",
        .traits = {.domain = true, .by_path = true, .elsewhere = true},
        .home_new = libvirt_home_new,
        .home_close = libvirt_home_close,
        .home_free = libvirt_home_free,
        .has_threads = libvirt_hooks_has_threads,
        .uid = libvirt_hooks_uid,
        .probe_begin = libvirt_hooks_probe_begin,
        .probe = libvirt_hooks_probe_qemu,
        .probe_free = libvirt_hooks_probe_free,
        .check = libvirt_hooks_check,
        .fit_domain = libvirt_hooks_fit_domain,
        .start = libvirt_start,
        .go = libvirt_go,
        .save = libvirt_save,
        .adopt = libvirt_adopt,
        .resume = libvirt_resume,
        .pause = libvirt_pause,
        .powerdown = libvirt_powerdown,
        .quit = libvirt_quit,
        .kill = libvirt_kill,
        .console_write = libvirt_console_write,
        .pid = libvirt_pid,
        .close = libvirt_close,
};
