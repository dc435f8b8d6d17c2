/* SPDX-License-Identifier: Apache-2.0 */

/* Logs: what the console, or the SVSM, wrote, and with follow what it writes, until the CVM has
 * ended. The past is read and encoded in a worker, in the caller's turn (turns.h), so that many
 * calls of one user hold up only that user's. A connection has one call in progress, and a call of
 * a client who has gone does not wait: so the number of connections bounds how many wait. */

#include "api/api.h"

#include <string.h>

#include "base/text.h"
#include "launch/quota.h"
#include "local/log.h"

/* Of one reply, before base64; its message stays below 16 MiB. */
#define LOGS_BYTES_MAX (8u << 20)

#define HELD_MAX (1u << 20) /* bytes of the present that wait for the past to be read */

typedef struct Past Past;

typedef struct Follow {
        WireCall *call; /* a reference */
        Vm *vm;         /* a reference */
        Past *past;     /* that is read and comes first; NULL: it was sent */
        Buffer held;    /* what was written meanwhile */
        bool ended;     /* the CVM has, meanwhile */
        bool skipped;   /* output was left out because the client did not read */
        ConsoleFollower console;
        VmWatch watch;
        EventsFollower daemon; /* for its end */
        bool daemon_exit;
} Follow;

/* What is read in a worker. */
struct Past {
        Turn turn;
        WireCall *call;   /* a reference */
        Manager *manager; /* borrowed */
        ConsoleSnapshot *snapshot;
        uint64_t lines; /* 0: all */
        bool follows;
        Follow *follow; /* that waits for it; NULL: none, or its client has gone */
        char *text;     /* in base64; of one that follows */
        Buffer reply;   /* of one that does not: whole */
        int r;
};

static json_object *data_reply(const void *data, size_t size)
{
        _cleanup_free_ char *text = text_base64(data, size);

        return json_build("data", json_object_new_string(text ?: ""), NULL);
}

static void past_free(Past *past)
{
        console_snapshot_free(past->snapshot);
        wire_call_unref(past->call);
        free(past->text);
        buffer_done(&past->reply);
        free(past);
}

static void follow_free(Follow *follow)
{
        json_object *reply;

        if (follow->past) {
                follow->past->follow = NULL;
                if (turns_withdraw(&follow->past->turn))
                        past_free(follow->past);
        }
        console_unfollow(&follow->console);
        vm_unwatch(&follow->watch);
        events_unfollow(&follow->daemon);
        buffer_done(&follow->held);
        reply = data_reply("", 0);
        if (follow->daemon_exit)
                json_add(reply, "ended", json_object_new_string("daemon-exit"));
        wire_call_reply(follow->call, reply);
        wire_call_unref(follow->call);
        vm_unref(follow->vm);
        free(follow);
}

static void on_follow_gone(WireCall *call, void *userdata)
{
        follow_free(userdata);
}

static void on_follow_end(void *userdata)
{
        Follow *follow = userdata;

        follow->daemon_exit = true;
        follow_free(follow);
}

static void on_follow_changed(Vm *vm, void *userdata)
{
        Follow *follow = userdata;

        if (!vm->removed && vm_state_is_live(vm->state))
                return;
        if (follow->past)
                follow->ended = true; /* on_past_read() continues */
        else
                follow_free(follow);
}

static void on_follow_data(const void *data, size_t size, void *userdata)
{
        static const char gap[] = "\r\n[output omitted: the reader is too slow]\r\n";
        Follow *follow = userdata;

        if (follow->past) {
                follow->skipped = follow->skipped || follow->held.size + size > HELD_MAX ||
                                  buffer_append(&follow->held, data, size) < 0;
                return;
        }
        if (wire_call_is_congested(follow->call)) {
                follow->skipped = true;
                return;
        }
        if (follow->skipped) {
                follow->skipped = false;
                wire_call_continue(follow->call, data_reply(gap, sizeof(gap) - 1));
        }
        wire_call_continue(follow->call, data_reply(data, size));
}

typedef struct LogsParameters {
        ApiTarget target;
        int64_t lines;
        bool follow, svsm;
} LogsParameters;

static void logs_parameters_done(LogsParameters *p)
{
        api_target_done(&p->target);
}

static Follow *follow_begin(WireCall *call, Vm *vm, Console *log)
{
        Follow *follow = calloc(1, sizeof(*follow));

        if (!follow)
                return NULL;
        *follow = (Follow){
                .call = wire_call_ref(call),
                .vm = vm_ref(vm),
                .console = {.data = on_follow_data, .userdata = follow},
                .watch = {.changed = on_follow_changed, .userdata = follow},
                .daemon = {.end = on_follow_end, .userdata = follow},
        };
        console_follow(log, &follow->console);
        vm_watch(vm, &follow->watch);
        events_follow(vm->home->events, &follow->daemon);
        wire_call_on_gone(call, on_follow_gone, follow);
        return follow;
}

static void read_past(Turn *turn)
{
        Past *past = container_of(turn, Past, turn);
        _cleanup_free_ char *data = NULL;
        size_t size;

        past->r = console_snapshot_tail(past->snapshot, past->lines, LOGS_BYTES_MAX, &data, &size);
        if (past->r < 0)
                return;
        if (!past->follows) {
                past->r = wire_reply_prepare(data_reply(data, size), &past->reply);
                return;
        }
        past->text = text_base64(data, size);
        if (!past->text)
                past->r = -ENOMEM;
}

static json_object *past_reply(const Past *past)
{
        return json_build("data", json_object_new_string(past->text ?: ""), NULL);
}

/* The past, then what was written while it was read; from now on it comes as it is written. */
static void follow_go_on(Follow *follow, const Past *past)
{
        bool skipped = follow->skipped;

        follow->past = NULL;
        follow->skipped = false;
        if (past->text && *past->text)
                wire_call_continue(follow->call, past_reply(past));
        if (follow->held.size)
                wire_call_continue(follow->call, data_reply(follow->held.data, follow->held.size));
        buffer_done(&follow->held);
        follow->skipped = skipped; /* it is told before what comes next */
        if (follow->ended)
                follow_free(follow);
}

static void on_past_read(Turn *turn)
{
        Past *past = container_of(turn, Past, turn);
        _cleanup_(cvm_error_done) CvmError error = {};

        if (past->follow) {
                if (past->r < 0)
                        log_warning("cannot read a console's log: %s", strerror(-past->r));
                follow_go_on(past->follow, past);
        } else if (past->follows) {
                ; /* nobody listens any more */
        } else if (past->r < 0) {
                cvm_error_file(&error, past->r, past->manager->home.consoles_fd, NULL,
                               "read the console's log in");
                wire_call_error(past->call, &error);
        } else {
                wire_call_reply_prepared(past->call, &past->reply);
        }
        past_free(past);
}

/* What waits for its turn holds descriptors and memory that nobody counts to a client who
 * is gone. */
static void on_past_gone(WireCall *call, void *userdata)
{
        Past *past = userdata;

        if (turns_withdraw(&past->turn))
                past_free(past);
}

/* follow: that waits for it, or NULL. */
static int past_begin(WireCall *call, Manager *manager, Console *log, uint64_t lines,
                      Follow *follow)
{
        Past *past = calloc(1, sizeof(*past));

        if (!past)
                return -ENOMEM;
        past->snapshot = console_snapshot(log);
        past->call = wire_call_ref(call);
        if (!past->snapshot) {
                past_free(past);
                return -ENOMEM;
        }
        past->manager = manager;
        past->lines = lines;
        past->follows = follow != NULL;
        past->follow = follow;
        past->r = -ECANCELED;
        if (follow)
                follow->past = past;
        else
                wire_call_on_gone(call, on_past_gone, past);
        turns_take(manager->host_turns, &past->turn,
                   quota_account(manager, wire_call_peer(call)->uid), read_past, on_past_read);
        return 0;
}

/* lines as in the parameters: 0 asks for nothing of the past, less for all of it. */
static int logs(WireCall *call, Manager *manager, Vm *vm, Console *log, const LogsParameters *p)
{
        bool follows = p->follow && wire_call_wants_more(call) && vm_state_is_live(vm->state);
        Follow *follow = NULL;
        int r;

        if (p->lines == 0 && !follows) {
                wire_call_reply(call, data_reply("", 0));
                return 0;
        }
        if (follows) {
                follow = follow_begin(call, vm, log);
                if (!follow)
                        return -ENOMEM;
        }
        if (p->lines == 0)
                return 0;
        r = past_begin(call, manager, log, p->lines < 0 ? 0 : (uint64_t)p->lines, follow);
        if (r < 0 && follow)
                follow_free(follow); /* which answers */
        return follow ? 0 : r;
}

void api_logs(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {
                API_TARGET_FIELDS(LogsParameters, target),
                {"lines", JSON_INT, offsetof(LogsParameters, lines), 0, 0, INT32_MAX},
                {"follow", JSON_BOOL, offsetof(LogsParameters, follow)},
                {"svsm", JSON_BOOL, offsetof(LogsParameters, svsm)},
                {},
        };
        _cleanup_(logs_parameters_done) LogsParameters p = {.lines = -1};
        _cleanup_(cvm_error_done) CvmError error = {};
        Console *log;
        Vm *vm;
        int r;

        vm = api_dispatch(call, parameters, fields, &p) ? api_find(call, &p.target, userdata)
                                                        : NULL;
        if (!vm)
                return;
        log = p.svsm ? vm->svsm_log : vm->console;
        if (!log) {
                cvm_error_invalid_spec(&error, "svsm.log", "%s was launched without it", vm->name);
                wire_call_error(call, &error);
                return;
        }
        r = logs(call, userdata, vm, log, &p);
        if (r < 0) {
                cvm_error_system(&error, r, "read the console's log");
                wire_call_error(call, &error);
        }
}
