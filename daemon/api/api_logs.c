/* SPDX-License-Identifier: Apache-2.0 */

/* Logs: what the console, or the SVSM, wrote, and with follow what it writes, until the CVM has
 * ended. Everything is encoded in a worker, in the caller's turn (turns.h), so that many calls of
 * one user delay only that user's. What is written is read from the console's backlog when the
 * client has read what it was sent before. A connection has one call in progress, and a call of a
 * client who has gone does not wait: so the number of connections bounds how many wait. */

#include "api/api.h"

#include <string.h>
#include <sys/param.h>

#include "base/clock.h"
#include "base/text.h"
#include "launch/quota.h"
#include "local/log.h"

/* Of one reply, before base64; its message stays below 16 MiB. */
#define LOGS_BYTES_MAX (8u << 20)

#define PIECE_BYTES_MAX 65536u /* of one reply that follows */

typedef struct Piece Piece;

typedef struct Follow {
        WireCall *call; /* a reference */
        Manager *manager;
        Vm *vm;       /* a reference */
        Piece *piece; /* that is encoded and comes first; NULL: it was sent */
        bool waits;   /* for the client to read */
        bool ended;   /* the CVM has */
        bool times;   /* are wanted */
        ConsoleFollower console;
        VmWatch watch;
        EventsFollower daemon; /* for its end */
        bool daemon_exit;
} Follow;

/* What is encoded in a worker. */
struct Piece {
        Turn turn;
        WireCall *call;            /* a reference */
        Manager *manager;          /* borrowed */
        ConsoleSnapshot *snapshot; /* the past; NULL: it is in data */
        uint64_t lines;            /* of the snapshot; 0: all */
        int64_t since;             /* likewise; 0: all */
        bool times;                /* they are wanted */
        int64_t at;                /* of the data, which is not of a snapshot */
        char *data;
        size_t size;
        bool follows;
        Follow *follow; /* that waits for it; NULL: none, or its client has gone */
        Buffer reply;
        int r;
};

static json_object *data_reply(const void *data, size_t size)
{
        _cleanup_free_ char *text = text_base64(data, size);

        return json_build("data", json_object_new_string(text ?: ""), NULL);
}

static void piece_free(Piece *piece)
{
        console_snapshot_free(piece->snapshot);
        wire_call_unref(piece->call);
        free(piece->data);
        buffer_done(&piece->reply);
        free(piece);
}

static void follow_free(Follow *follow)
{
        json_object *reply = data_reply("", 0);

        if (follow->daemon_exit)
                json_add(reply, "ended", json_object_new_string("daemon-exit"));
        if (follow->piece) {
                follow->piece->follow = NULL;
                if (turns_withdraw(&follow->piece->turn))
                        piece_free(follow->piece);
        }
        console_unfollow(&follow->console);
        vm_unwatch(&follow->watch);
        events_unfollow(&follow->daemon);
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

static Piece *piece_new(WireCall *call, Manager *manager)
{
        Piece *piece = calloc(1, sizeof(*piece));

        if (!piece)
                return NULL;
        piece->call = wire_call_ref(call);
        piece->manager = manager;
        piece->r = -ECANCELED;
        return piece;
}

/* The member of the reply, as text; newly allocated. */
static char *piece_times(const Piece *piece)
{
        const ConsoleTime point = {0, piece->at};
        const ConsoleTimes of_data = {
                .points = (ConsoleTime *)&point, .n = 1, .written = piece->size};
        _cleanup_json_ json_object *array = console_times_show(
                piece->snapshot ? console_snapshot_times(piece->snapshot) : &of_data, piece->size);

        return text_format(",\"times\":%s", json_text(array));
}

static int piece_reply(Piece *piece)
{
        _cleanup_free_ char *times = piece->times ? piece_times(piece) : NULL;

        if (piece->times && !times)
                return -ENOMEM;
        return wire_call_prepare_data_reply(piece->data, piece->size, times, piece->follows,
                                            &piece->reply);
}

static void encode(Turn *turn)
{
        Piece *piece = container_of(turn, Piece, turn);

        piece->r = piece->snapshot
                           ? console_snapshot_tail(piece->snapshot, piece->lines, piece->since,
                                                   LOGS_BYTES_MAX, &piece->data, &piece->size)
                           : 0;
        if (piece->r == 0 && (piece->size || !piece->follows))
                piece->r = piece_reply(piece);
        free(TAKE_PTR(piece->data));
}

static void on_encoded(Turn *turn);

static void piece_begin(Piece *piece)
{
        turns_take(piece->manager->home.large_turns, &piece->turn,
                   quota_account(piece->manager, wire_call_peer(piece->call)->uid), encode,
                   on_encoded);
}

/* follow: that waits for it */
static void piece_begin_for(Piece *piece, Follow *follow)
{
        piece->follows = true;
        piece->follow = follow;
        follow->piece = piece;
        piece_begin(piece);
}

/* Takes what comes next to be encoded; without memory it is lost. Returns false if there is
 * nothing to wait for. */
static bool follow_take(Follow *follow)
{
        static const char gap[] = "\r\n[output omitted: the reader is too slow]\r\n";
        const char *data;
        ssize_t n = console_unread(&follow->console, &data);
        size_t size = n < 0 ? sizeof(gap) - 1 : MIN((size_t)n, PIECE_BYTES_MAX);
        Piece *piece;

        if (n == 0)
                return false;
        piece = piece_new(follow->call, follow->manager);
        if (piece)
                piece->data = malloc(size);
        if (piece && piece->data) {
                memcpy(piece->data, n < 0 ? gap : data, size);
                piece->size = size;
                piece->times = follow->times;
                piece->at = clock_now_usec();
        }
        if (n > 0)
                console_have_read(&follow->console, size);
        if (piece)
                piece_begin_for(piece, follow);
        return piece;
}

static void on_follow_drained(WireCall *call, void *userdata);

/* Sends what was written, as far as the client reads; frees a follow that has reached its end. */
static void follow_go_on(Follow *follow)
{
        if (follow->piece || follow->waits)
                return;
        if (wire_call_is_congested(follow->call)) {
                follow->waits = true;
                wire_call_on_drained(follow->call, on_follow_drained, follow);
        } else if (!follow_take(follow) && follow->ended) {
                follow_free(follow);
        }
}

static void on_follow_drained(WireCall *call, void *userdata)
{
        Follow *follow = userdata;

        follow->waits = false;
        follow_go_on(follow);
}

static void on_follow_more(void *userdata)
{
        follow_go_on(userdata);
}

static void on_follow_changed(Vm *vm, void *userdata)
{
        Follow *follow = userdata;

        if (!vm->removed && vm_state_is_live(vm->state))
                return;
        follow->ended = true;
        follow_go_on(follow);
}

static void on_encoded(Turn *turn)
{
        Piece *piece = container_of(turn, Piece, turn);
        Follow *follow = piece->follow;
        _cleanup_(cvm_error_done) CvmError error = {};

        if (follow) {
                if (piece->r < 0)
                        log_warning("cannot read a console's log: %s", strerror(-piece->r));
                else if (piece->reply.size)
                        wire_call_continue_prepared(follow->call, &piece->reply);
                follow->piece = NULL;
                follow_go_on(follow);
        } else if (piece->follows) {
                ; /* nobody listens any more */
        } else if (piece->r < 0) {
                cvm_error_file(&error, piece->r, piece->manager->home.consoles_fd, NULL,
                               "read the console's log in");
                wire_call_error(piece->call, &error);
        } else {
                wire_call_reply_prepared(piece->call, &piece->reply);
        }
        piece_free(piece);
}

typedef struct LogsParameters {
        ApiTarget target;
        int64_t lines, since;
        bool follow, svsm, times;
} LogsParameters;

static void logs_parameters_done(LogsParameters *p)
{
        api_target_done(&p->target);
}

static Follow *follow_begin(WireCall *call, Manager *manager, Vm *vm, Console *log)
{
        Follow *follow = calloc(1, sizeof(*follow));

        if (!follow)
                return NULL;
        *follow = (Follow){
                .call = call,
                .manager = manager,
                .vm = vm,
                .console = {.more = on_follow_more, .userdata = follow},
                .watch = {.changed = on_follow_changed, .userdata = follow},
                .daemon = {.end = on_follow_end, .userdata = follow},
        };
        if (console_follow(log, &follow->console) < 0) {
                free(follow);
                return NULL;
        }
        wire_call_ref(call);
        vm_ref(vm);
        vm_watch(vm, &follow->watch);
        events_follow(vm->home->events, &follow->daemon);
        wire_call_on_gone(call, on_follow_gone, follow);
        return follow;
}

/* What waits for its turn holds descriptors and memory that count to no client who
 * is gone. */
static void on_past_gone(WireCall *call, void *userdata)
{
        Piece *piece = userdata;

        if (turns_withdraw(&piece->turn))
                piece_free(piece);
}

/* follow: that waits for it, or NULL. */
static int past_begin(WireCall *call, Manager *manager, Console *log, const LogsParameters *p,
                      Follow *follow)
{
        Piece *piece = piece_new(call, manager);

        if (!piece)
                return -ENOMEM;
        piece->snapshot = console_snapshot(log);
        if (!piece->snapshot) {
                piece_free(piece);
                return -ENOMEM;
        }
        piece->lines = p->lines < 0 ? 0 : (uint64_t)p->lines;
        piece->since = p->since;
        piece->times = p->times;
        if (follow) {
                piece_begin_for(piece, follow);
        } else {
                wire_call_on_gone(call, on_past_gone, piece);
                piece_begin(piece);
        }
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
                follow = follow_begin(call, manager, vm, log);
                if (!follow)
                        return -ENOMEM;
                follow->times = p->times;
        }
        if (p->lines == 0)
                return 0;
        r = past_begin(call, manager, log, p, follow);
        if (r < 0 && follow)
                follow_free(follow); /* which answers */
        return follow ? 0 : r;
}

int api_logs(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                API_TARGET_FIELDS(LogsParameters, target),
                {"lines", JSON_INT, offsetof(LogsParameters, lines), 0, 0, INT32_MAX},
                {"since", JSON_INT, offsetof(LogsParameters, since), 0, 0, INT64_MAX},
                {"times", JSON_BOOL, offsetof(LogsParameters, times)},
                {"follow", JSON_BOOL, offsetof(LogsParameters, follow)},
                {"svsm", JSON_BOOL, offsetof(LogsParameters, svsm)},
                {},
        };
        _cleanup_(logs_parameters_done) LogsParameters p = {.lines = -1};
        Console *log;
        Vm *vm;
        int r = api_dispatch(parameters, fields, &p, error);

        if (r == 0)
                r = api_find(call, &p.target, userdata, &vm, error);
        if (r < 0)
                return r;
        log = p.svsm ? vm->svsm_log : vm->console;
        if (!log)
                return cvm_error_invalid_spec(error, "svsm.log", "%s was launched without it",
                                              vm->name);
        r = logs(call, userdata, vm, log, &p);
        return r < 0 ? cvm_error_system(error, r, "read the console's log") : 0;
}
