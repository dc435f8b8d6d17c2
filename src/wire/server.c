/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/server.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>

#include "base/account.h"
#include "base/foreign.h"
#include "base/heap.h"
#include "wire/server_internal.h"

/* Bytes of large outputs that are sent before others get their turn, however fast clients read. */
#define SENT_A_TURN (512u << 10)
/* Giving memory back stops every thread that allocates: it is done once for all that was freed
 * within this time, however many large messages and replies there are. */
#define TRIM_MSEC 1000
#define ACCEPT_BATCH 16 /* connections accepted before other handles get their turn */

static void server_free(void *owner)
{
        WireServer *server = owner;

        closep(&server->reserve);
        mount_table_free(server->mounts);
        free(server->scratch);
        free(server);
}

DEFINE_CLEANUP(WireServer *, server_free)

static void on_handle_closed(uv_handle_t *handle)
{
        WireServer *server = handle->data;

        handles_closed(&server->handles);
}

static void on_turn(uv_check_t *handle)
{
        WireServer *server = handle->data;

        server->n_turns++;
        server->sendable = SENT_A_TURN;
}

static int open_reserve(void)
{
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static size_t message_max(const WireMethod *method)
{
        return method->message_max ?: WIRE_MESSAGE_SMALL_MAX;
}

static size_t find_message_max(const WireServer *server)
{
        size_t max = WIRE_MESSAGE_SMALL_MAX;

        for (size_t i = 0; i < server->n_interfaces; i++)
                for (const WireMethod *m = server->interfaces[i].methods; m->name; m++)
                        max = MAX(max, message_max(m));
        return max;
}

/* Sends of the outputs that were passed over, as far as may be sent in this turn. */
static void serve_passed_over(WireServer *server)
{
        WireConnection *connection;

        while (server->sendable > 0 && (connection = TAILQ_FIRST(&server->passed_over))) {
                TAILQ_REMOVE(&server->passed_over, connection, late);
                connection->passed_over = false;
                wire_connection_work(connection);
        }
}

/* Takes up what is deferred now; what that defers again waits for the next turn of the loop. */
static void on_idle(uv_idle_t *handle)
{
        WireServer *server = handle->data;
        WireConnection *connection;
        size_t n = 0;

        serve_passed_over(server);
        TAILQ_FOREACH (connection, &server->work, work)
                n++;
        while (n-- > 0 && (connection = TAILQ_FIRST(&server->work))) {
                TAILQ_REMOVE(&server->work, connection, work);
                connection->deferred = false;
                wire_connection_work(connection);
        }
        if (TAILQ_EMPTY(&server->work) && TAILQ_EMPTY(&server->passed_over) && !server->closed)
                uv_idle_stop(handle);
}

static void wire_server_defer(WireServer *server, WireConnection *connection)
{
        if (connection->deferred)
                return;
        connection->deferred = true;
        TAILQ_INSERT_TAIL(&server->work, connection, work);
        uv_idle_start(&server->idle, on_idle);
}

static void wire_server_pass_over(WireServer *server, WireConnection *connection)
{
        if (connection->passed_over)
                return;
        connection->passed_over = true;
        TAILQ_INSERT_TAIL(&server->passed_over, connection, late);
        uv_idle_start(&server->idle, on_idle);
}

/* Whether one more connection of this uid is one too many. */
static bool is_full(const WireServer *server, uid_t uid)
{
        if (server->n_seats >= WIRE_CONNECTIONS_MAX)
                return true;
        return uid != 0 && wire_seats_of(server, account_of(uid)) >= WIRE_CONNECTIONS_PER_UID_MAX;
}

static void count(WireServer *server, WireConnection *connection, size_t n_bytes)
{
        server->n_buffered = server->n_buffered - connection->counted + n_bytes;
        connection->holder->n_bytes = connection->holder->n_bytes - connection->counted + n_bytes;
        connection->counted = n_bytes;
}

static void wire_server_uncount(WireServer *server, WireConnection *connection)
{
        count(server, connection, 0);
}

/* Ends the account's largest connection, whose memory does not count any more. Returns false if
 * there is none. */
static bool end_largest(WireServer *server, const WireHolder *holder)
{
        WireConnection *connection, *largest = NULL;

        LIST_FOREACH (connection, &server->connections, all)
                if (connection->holder == holder &&
                    connection->counted > (largest ? largest->counted : 0))
                        largest = connection;
        if (!largest)
                return false;
        largest->broken = true;
        count(server, largest, 0);
        wire_server_defer(server, largest);
        return true;
}

static void wire_server_bound(WireServer *server, WireConnection *connection)
{
        size_t before = connection->counted;
        const WireHolder *greediest;

        if (connection->peer.uid == 0 || connection->broken)
                return;
        count(server, connection, wire_connection_buffered(connection));
        if (connection->counted <= before)
                return;
        while (connection->holder->n_bytes > WIRE_BUFFERED_PER_UID_MAX &&
               end_largest(server, connection->holder))
                ;
        while (server->n_buffered > server->buffered_max &&
               (greediest = wire_holder_greediest(server)) && end_largest(server, greediest))
                ;
}

static bool wire_server_has_too_many_fds(const WireServer *server, const WireConnection *connection)
{
        const WireConnection *other;
        size_t n_fds = 0;

        if (connection->peer.uid == 0)
                return false;
        LIST_FOREACH (other, &server->connections, all)
                if (other->account == connection->account)
                        n_fds += other->inbox.n_fds + (other->call ? other->call->n_fds : 0) +
                                 (other->parse ? other->parse->n_fds : 0);
        return n_fds > WIRE_FDS_PER_UID_MAX;
}

void wire_server_bound_buffered(WireServer *server, size_t max)
{
        server->buffered_max = max;
}

int wire_server_add_connection(WireServer *server, int fd)
{
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        int r = 0;

        if (server->closed)
                r = -ESHUTDOWN;
        else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                r = -errno;
        else if (is_full(server, credentials.uid))
                r = -EUSERS;
        if (r == 0)
                return wire_connection_new(server, fd);
        foreign_close_socket(fd);
        return r;
}

/* Without descriptors a waiting connection would keep the loop awake: it is accepted by means of
 * the reserve, and refused. */
static void refuse_one(WireListener *listener)
{
        WireServer *server = listener->server;

        closep(&server->reserve);
        foreign_close_socket(accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC));
        server->reserve = open_reserve();
}

static void on_listener_poll(uv_poll_t *handle, int status, int events)
{
        WireListener *listener = handle->data;

        for (int i = 0; i < ACCEPT_BATCH; i++) {
                int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd >= 0)
                        wire_server_add_connection(listener->server, fd);
                else if (errno == EMFILE || errno == ENFILE)
                        refuse_one(listener);
                else if (errno != ECONNABORTED && errno != EINTR)
                        break;
        }
}

static void on_listener_closed(uv_handle_t *handle)
{
        WireListener *listener = handle->data;

        handles_closed(&listener->server->handles);
        free(listener);
}

/* Takes fd and path, also on failure. */
static int add_listener(WireServer *server, int fd, WireListenerPath path)
{
        _cleanup_(wire_listener_path_done) WireListenerPath held = path;
        _cleanup_close_ int owned = fd;
        _cleanup_free_ WireListener *listener = NULL;
        int r;

        if (server->closed)
                return -ESHUTDOWN;
        listener = calloc(1, sizeof(*listener));
        if (!listener)
                return -ENOMEM;
        r = uv_poll_init(server->loop, &listener->poll, fd);
        if (r < 0)
                return r;
        listener->server = server;
        listener->poll.data = listener;
        listener->fd = TAKE_FD(owned);
        listener->path = TAKE_STRUCT(held);
        handles_add(&server->handles);
        LIST_INSERT_HEAD(&server->listeners, listener, all);
        return uv_poll_start(&TAKE_PTR(listener)->poll, UV_READABLE, on_listener_poll);
}

static int wire_server_listen_at(WireServer *server, const char *path, mode_t mode, gid_t group,
                                 int msec)
{
        WireListenerPath bound;
        int fd = wire_listener_open(path, mode, group, msec, &bound), r;

        r = fd < 0 ? fd : add_listener(server, fd, bound);
        if (r == 0) {
                LIST_FIRST(&server->listeners)->mode = mode;
                LIST_FIRST(&server->listeners)->group = group;
        }
        return r;
}

int wire_server_listen_path(WireServer *server, const char *path, mode_t mode, gid_t group)
{
        return wire_server_listen_at(server, path, mode, group, WIRE_LISTENER_START_MSEC);
}

int wire_server_listen_fd(WireServer *server, int fd)
{
        _cleanup_(wire_listener_path_leave) WireListenerPath path = {};
        int r;

        wire_listener_path_of(fd, &path); /* without one, there is nothing to look after */
        r = add_listener(server, fd, (WireListenerPath){});
        if (r == 0) {
                LIST_FIRST(&server->listeners)->path = TAKE_STRUCT(path);
                LIST_FIRST(&server->listeners)->inherited = true;
        }
        return r;
}

static void listener_close(WireListener *listener)
{
        LIST_REMOVE(listener, all);
        uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
        if (listener->inherited)
                wire_listener_path_leave(&listener->path);
        else
                wire_listener_path_done(&listener->path);
        /* connections that were not accepted may hold descriptors already */
        foreign_close(0, &listener->fd, 1);
        listener->fd = -1;
}

int wire_server_restore_paths(WireServer *server, unsigned *ret_restored)
{
        WireListener *listener, *next;
        bool lost = false;

        *ret_restored = 0;
        for (listener = LIST_FIRST(&server->listeners); listener; listener = next) {
                int r;

                next = LIST_NEXT(listener, all);
                if (!listener->path.path || wire_listener_path_is_there(&listener->path))
                        continue;
                if (listener->inherited) {
                        lost = true;
                        continue;
                }
                r = wire_server_listen_at(server, listener->path.path, listener->mode,
                                          listener->group, 0);
                if (r < 0)
                        return r;
                listener_close(listener);
                ++*ret_restored;
        }
        return lost ? -EOWNERDEAD : 0;
}

void wire_server_close(WireServer *server)
{
        if (!server || server->closed)
                return;
        server->closed = true;
        while (!LIST_EMPTY(&server->listeners))
                listener_close(LIST_FIRST(&server->listeners));
        while (!LIST_EMPTY(&server->connections)) {
                wire_connection_flush_last(LIST_FIRST(&server->connections));
                wire_connection_close(LIST_FIRST(&server->connections));
        }
        wire_seats_forget(server);
        uv_close((uv_handle_t *)&server->idle, on_handle_closed);
        uv_close((uv_handle_t *)&server->turn, on_handle_closed);
        uv_close((uv_handle_t *)&server->trim_due, on_handle_closed);
}

void wire_server_observe(WireServer *server, const WireObserver *observer)
{
        server->observer = *observer;
}

size_t wire_server_connections(const WireServer *server)
{
        return server->n_connections;
}

static const WireInterface *find_interface(const WireServer *server, const char *name,
                                           size_t length)
{
        if (strlen(wire_service_interface.name) == length &&
            memcmp(wire_service_interface.name, name, length) == 0)
                return &wire_service_interface;
        for (size_t i = 0; i < server->n_interfaces; i++)
                if (strlen(server->interfaces[i].name) == length &&
                    memcmp(server->interfaces[i].name, name, length) == 0)
                        return &server->interfaces[i];
        return NULL;
}

static const WireMethod *find_method(const WireInterface *interface, const char *name)
{
        for (const WireMethod *method = interface->methods; method->name; method++)
                if (strcmp(method->name, name) == 0)
                        return method;
        return NULL;
}

static const WireMethod *find_called(const WireServer *server, const char *name)
{
        const char *dot = strrchr(name, '.');
        const WireInterface *interface =
                dot ? find_interface(server, name, (size_t)(dot - name)) : NULL;

        return interface ? find_method(interface, name) : NULL;
}

static size_t wire_server_message_max(const WireServer *server, const char *name)
{
        const WireMethod *method;

        if (!name)
                return server->message_max;
        method = find_called(server, name);
        return method ? message_max(method) : WIRE_MESSAGE_SMALL_MAX;
}

static void wire_server_prepare(const WireServer *server, const WireMessageCall *call,
                                WirePrepared *ret)
{
        const WireMethod *method = find_called(server, call->method);

        if (method && method->prepare && call->parameters)
                *ret = (WirePrepared){method->prepare(call->parameters), method->prepared_free};
}

static void on_trim(uv_work_t *work)
{
        heap_trim();
}

static void on_trimmed(uv_work_t *work, int status)
{
        WireServer *server = container_of(work, WireServer, trim);

        server->trims = false;
        handles_closed(&server->handles);
}

static void on_trim_due(uv_timer_t *timer)
{
        WireServer *server = timer->data;

        if (server->trims) { /* for as long as that: what it has passed already is left */
                uv_timer_start(timer, on_trim_due, TRIM_MSEC, 0);
                return;
        }
        server->trims = true;
        handles_add(&server->handles);
        /* fails without a function only */
        (void)uv_queue_work(server->loop, &server->trim, on_trim, on_trimmed);
}

static void wire_server_trim(WireServer *server)
{
        if (!server->closed && !uv_is_active((uv_handle_t *)&server->trim_due))
                uv_timer_start(&server->trim_due, on_trim_due, TRIM_MSEC, 0);
}

/* Whether a method can be called with these flags. */
static int wire_server_check_flags(const WireCall *call, const WireMethod *method, CvmError *error)
{
        bool needs_upgrade = method->flags & WIRE_METHOD_NEEDS_UPGRADE;

        if ((method->flags & WIRE_METHOD_NEEDS_MORE) && !call->more)
                return cvm_error_set(error, CVM_ERROR_EXPECTED_MORE, -EINVAL, NULL);
        if (needs_upgrade && !call->upgrade)
                return cvm_error_invalid_parameter(error, "upgrade",
                                                   "must be true in a call of this method");
        if (!needs_upgrade && call->upgrade)
                return cvm_error_invalid_parameter(error, "upgrade",
                                                   "is not possible in a call of this method");
        return 0;
}

/* Finds the method and calls its handler. */
static int wire_server_handle(WireServer *server, WireCall *call, const char *name,
                              json_object *parameters, CvmError *error)
{
        const char *dot = strrchr(name, '.');
        const WireInterface *interface;
        const WireMethod *method;
        int r;

        if (!dot)
                return cvm_error_invalid_parameter(
                        error, "method", "must be the name of an interface, a dot and a method");
        interface = find_interface(server, name, (size_t)(dot - name));
        if (!interface) {
                _cleanup_free_ char *wanted = strndup(name, (size_t)(dot - name));

                return cvm_error_set(error, CVM_ERROR_INTERFACE_NOT_FOUND, -ENOSYS,
                                     json_build("interface", json_new_text(wanted ?: ""), NULL));
        }
        method = call->method = find_method(interface, name);
        if (!method)
                return cvm_error_set(error, CVM_ERROR_METHOD_NOT_FOUND, -ENOSYS,
                                     json_build("method", json_new_text(name), NULL));
        r = wire_server_check_flags(call, method, error);
        if (r < 0)
                return r;
        return method->handler(call, parameters,
                               interface == &wire_service_interface ? server : server->userdata,
                               error);
}

/* The one place where an error of a call's handler becomes the answer. */
static void wire_server_dispatch(WireServer *server, WireCall *call, const char *name,
                                 json_object *parameters)
{
        _cleanup_json_ json_object *none = parameters ? NULL : json_object_new_object();
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = wire_server_handle(server, call, name, parameters ?: none, &error);

        if (r >= 0)
                return;
        if (!cvm_error_is_set(&error))
                cvm_error_system(&error, r, "%s", name);
        wire_call_error(call, &error);
}

static const WireServerOps server_ops = {
        .defer = wire_server_defer,
        .pass_over = wire_server_pass_over,
        .bound = wire_server_bound,
        .uncount = wire_server_uncount,
        .has_too_many_fds = wire_server_has_too_many_fds,
        .message_max = wire_server_message_max,
        .trim = wire_server_trim,
        .prepare = wire_server_prepare,
        .dispatch = wire_server_dispatch,
};

int wire_server_new(uv_loop_t *loop, const WireServerInfo *info, const WireInterface *interfaces,
                    size_t n_interfaces, void *userdata, WireServer **ret)
{
        _cleanup_(server_freep) WireServer *server = calloc(1, sizeof(*server));
        int r;

        if (!server)
                return -ENOMEM;
        *server = (WireServer){
                .ops = &server_ops,
                .loop = loop,
                .info = info,
                .interfaces = interfaces,
                .n_interfaces = n_interfaces,
                .userdata = userdata,
                .reserve = open_reserve(),
                .mounts = mount_table_new(),
                .scratch = malloc(WIRE_INBOX_READ),
                .buffered_max = WIRE_BUFFERED_MAX,
                .sendable = SENT_A_TURN,
        };
        LIST_INIT(&server->listeners);
        LIST_INIT(&server->connections);
        LIST_INIT(&server->holders);
        TAILQ_INIT(&server->work);
        TAILQ_INIT(&server->passed_over);
        wire_parser_init(&server->parser, loop);
        if (server->reserve < 0)
                return -errno;
        if (!server->scratch)
                return -ENOMEM;

        server->message_max = find_message_max(server);
        r = uv_idle_init(loop, &server->idle);
        if (r < 0)
                return r;
        uv_check_init(loop, &server->turn);
        uv_check_start(&server->turn, on_turn); /* fails without a function only */
        uv_unref((uv_handle_t *)&server->turn);
        uv_timer_init(loop, &server->trim_due);
        server->idle.data = server->turn.data = server->trim_due.data = server;
        handles_init(&server->handles, 3, server_free, server);
        *ret = TAKE_PTR(server);
        return 0;
}
