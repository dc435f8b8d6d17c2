/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/machined.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <systemd/sd-id128.h>

#include "base/json.h"
#include "local/log.h"
#include "wire/async_call.h"

#define SERVICE "org.freedesktop.machine1"
#define SERVICE_PATH "/org/freedesktop/machine1"
#define SERVICE_MANAGER "org.freedesktop.machine1.Manager"
#define ANSWER_MSEC 10000
#define USEC(msec) ((msec)*UINT64_C(1000))

typedef struct Request {
        char *name, *id, *control;
        pid_t leader;
        uint32_t vsock_cid;
        bool with_id, forgotten;
        TAILQ_ENTRY(Request) all;
} Request;

struct Machined {
        uv_loop_t *loop;
        Bus *bus;
        char *path;
        bool no_control;     /* it has said that it knows no control address */
        WireAsyncCall *call; /* that the first request waits for, or */
        sd_bus_slot *reply;  /* this one (owned) */
        TAILQ_HEAD(Requests, Request) requests;
};

static void request_free(Request *request)
{
        free(request->name);
        free(request->id);
        free(request->control);
        free(request);
}

void machined_name(const char *name, const char *id, bool with_id, char *buffer)
{
        size_t max = MACHINE_NAME_MAX - (with_id ? 9 : 0), n;

        n = (size_t)snprintf(buffer, max + 1, "cvm-%s", name);
        n = n < max ? n : max;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)buffer[i]) && buffer[i] != '.')
                        buffer[i] = '-';
        /* a label neither begins nor ends with '-', and none is empty */
        for (size_t i = 1; i < n; i++)
                if ((buffer[i] == '-' && buffer[i - 1] == '.') ||
                    (buffer[i] == '.' && (buffer[i - 1] == '-' || buffer[i - 1] == '.')))
                        buffer[i] = 'x';
        while (n > 0 && strchr("-.", buffer[n - 1]))
                n--;
        buffer[n] = 0;
        if (with_id)
                snprintf(buffer + n, 10, "-%.8s", id);
}

static void machined_next(Machined *machined);

/* Of the first request; reason NULL: it is registered. */
static void machined_take_off(Machined *machined, const char *reason)
{
        Request *request = TAILQ_FIRST(&machined->requests);

        if (reason && !request->forgotten)
                log_emit(LOG_LEVEL_WARNING, request->name, request->id,
                         "machined did not register the CVM: %s", reason);
        TAILQ_REMOVE(&machined->requests, request, all);
        request_free(request);
}

static void failed(Machined *machined, const char *reason)
{
        machined_take_off(machined, reason);
        machined_next(machined);
}

static void done(Machined *machined)
{
        machined_take_off(machined, NULL);
        machined_next(machined);
}

static int on_found(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
        Machined *machined = userdata;
        Request *request = TAILQ_FIRST(&machined->requests);

        sd_bus_slot_unref(TAKE_PTR(machined->reply));
        if (!sd_bus_message_is_method_error(reply, NULL)) {
                done(machined);
        } else if (!request->with_id) {
                request->with_id = true;
                machined_next(machined);
        } else {
                failed(machined, "both of its names are in use");
        }
        return 0;
}

/* The name is taken: by this very machine, if a daemon before this one registered it. */
static void machined_find(Machined *machined)
{
        const Request *request = TAILQ_FIRST(&machined->requests);
        sd_bus *connection;
        int r = bus_get(machined->bus, &connection);

        if (r >= 0)
                r = sd_bus_call_method_async(connection, &machined->reply, SERVICE, SERVICE_PATH,
                                             SERVICE_MANAGER, "GetMachineByPID", on_found, machined,
                                             "u", (uint32_t)request->leader);
        if (r < 0)
                failed(machined, strerror(-r));
}

static int on_bus_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        Machined *machined = userdata;

        sd_bus_slot_unref(TAKE_PTR(machined->reply));
        if (!error)
                done(machined);
        else if (sd_bus_error_has_name(error, "org.freedesktop.machine1.MachineExists"))
                machined_find(machined);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN))
                done(machined); /* none is installed: no CVM is a machine */
        else
                failed(machined, error->message ?: error->name);
        return 0;
}

static int send_register(Machined *machined, const Request *request, const char *name)
{
        sd_bus_message *message = NULL;
        sd_bus *connection;
        sd_id128_t id;
        int r;

        r = sd_id128_from_string(request->id, &id);
        if (r >= 0)
                r = bus_get(machined->bus, &connection);
        if (r >= 0)
                r = sd_bus_message_new_method_call(connection, &message, SERVICE, SERVICE_PATH,
                                                   SERVICE_MANAGER, "RegisterMachineWithNetwork");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", name);
        if (r >= 0)
                r = sd_bus_message_append_array(message, 'y', id.bytes, sizeof(id.bytes));
        if (r >= 0) /* service, class, leader, root directory, network interfaces */
                r = sd_bus_message_append(message, "ssusai", "cvmd", "vm",
                                          (uint32_t)request->leader, "", 0);
        if (r >= 0)
                r = sd_bus_call_async(connection, &machined->reply, message, on_bus_reply, machined,
                                      USEC(ANSWER_MSEC));
        sd_bus_message_unref(message);
        return r < 0 ? r : 0;
}

static void on_varlink_reply(int r, const char *error, json_object *parameters, void *userdata)
{
        Machined *machined = userdata;

        machined->call = NULL;
        if (r < 0) {
                failed(machined, strerror(-r));
        } else if (!error) {
                done(machined);
        } else if (strcmp(error, "io.systemd.Machine.MachineExists") == 0) {
                machined_find(machined);
        } else if (strcmp(error, "org.varlink.service.InvalidParameter") == 0 &&
                   !machined->no_control) {
                machined->no_control = true;
                machined_next(machined);
        } else {
                failed(machined, error);
        }
}

static int call_register(Machined *machined, const Request *request, const char *name)
{
        json_object *parameters = json_build(
                "name", json_object_new_string(name), "id", json_object_new_string(request->id),
                "service", json_object_new_string("cvmd"), "class", json_object_new_string("vm"),
                "leader", json_object_new_int64(request->leader), "vSockCid",
                request->vsock_cid ? json_object_new_int64(request->vsock_cid) : NULL,
                "controlAddress",
                machined->no_control ? NULL : json_object_new_string(request->control), NULL);

        return wire_async_call_start(machined->loop, machined->path, "io.systemd.Machine.Register",
                                     parameters, ANSWER_MSEC, on_varlink_reply, machined,
                                     &machined->call);
}

static int try(Machined *machined, const Request *request)
{
        char name[MACHINE_NAME_MAX + 1];
        int r;

        machined_name(request->name, request->id, request->with_id, name);
        r = call_register(machined, request, name);
        return r == -ENOENT || r == -ECONNREFUSED ? send_register(machined, request, name) : r;
}

/* Goes on with the first request that can be sent. */
static void machined_next(Machined *machined)
{
        const Request *request;
        int r;

        while ((request = TAILQ_FIRST(&machined->requests))) {
                r = request->forgotten ? -ESRCH : try(machined, request);
                if (r >= 0)
                        return;
                machined_take_off(machined, strerror(-r));
        }
}

Machined *machined_new(uv_loop_t *loop, Bus *bus, const char *path)
{
        Machined *machined = calloc(1, sizeof(*machined));

        if (!machined)
                return NULL;
        *machined = (Machined){.loop = loop, .bus = bus, .path = strdup(path)};
        TAILQ_INIT(&machined->requests);
        return machined->path ? machined : machined_free(machined);
}

Machined *machined_free(Machined *machined)
{
        Request *request;

        if (!machined)
                return NULL;
        if (machined->call)
                wire_async_call_cancel(machined->call);
        sd_bus_slot_unref(machined->reply);
        while ((request = TAILQ_FIRST(&machined->requests))) {
                TAILQ_REMOVE(&machined->requests, request, all);
                request_free(request);
        }
        free(machined->path);
        free(machined);
        return NULL;
}

void machined_register(Machined *machined, const MachineSpec *spec)
{
        bool idle = TAILQ_EMPTY(&machined->requests);
        Request *request = calloc(1, sizeof(*request));

        if (!request)
                return;
        *request = (Request){.name = strdup(spec->name),
                             .id = strdup(spec->id),
                             .control = strdup(spec->control),
                             .leader = spec->leader,
                             .vsock_cid = spec->vsock_cid};
        if (!request->name || !request->id || !request->control) {
                request_free(request);
                return;
        }
        TAILQ_INSERT_TAIL(&machined->requests, request, all);
        if (idle)
                machined_next(machined);
}

void machined_forget(Machined *machined, const char *id)
{
        Request *request;

        TAILQ_FOREACH (request, &machined->requests, all)
                if (strcmp(request->id, id) == 0)
                        request->forgotten = true;
}
