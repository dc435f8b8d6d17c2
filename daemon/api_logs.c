/* SPDX-License-Identifier: Apache-2.0 */

/* Logs: what the console, or the SVSM, wrote, and with follow what it writes, until the CVM has
 * ended. */

#include "api.h"

#include "base/text.h"

#define LOGS_BYTES_MAX                                                                             \
        (8u << 20) /* of one reply, before base64; its message stays below 16 MiB                  \
                    */

typedef struct Follow {
        WireCall *call; /* a reference */
        Vm *vm;         /* a reference */
        bool skipped;   /* output was left out because the client did not read */
        ConsoleFollower console;
        VmWatch watch;
} Follow;

static json_object *data_reply(const void *data, size_t size)
{
        _cleanup_free_ char *text = text_base64(data, size);

        return json_build("data", json_object_new_string(text ?: ""), NULL);
}

static void follow_free(Follow *follow)
{
        console_unfollow(&follow->console);
        vm_unwatch(&follow->watch);
        wire_call_reply(follow->call, data_reply("", 0));
        wire_call_unref(follow->call);
        vm_unref(follow->vm);
        free(follow);
}

static void on_follow_gone(WireCall *call, void *userdata)
{
        follow_free(userdata);
}

static void on_follow_changed(Vm *vm, void *userdata)
{
        if (!vm->manager || !vm_state_is_live(vm->state))
                follow_free(userdata);
}

static void on_follow_data(const void *data, size_t size, void *userdata)
{
        static const char gap[] = "\r\n[output left out: the reader is too slow]\r\n";
        Follow *follow = userdata;

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
        char *name;
        int64_t lines;
        bool follow, svsm;
} LogsParameters;

static void logs_parameters_done(LogsParameters *p)
{
        free(p->name);
}

static int follow_begin(WireCall *call, Vm *vm, Console *log)
{
        Follow *follow = calloc(1, sizeof(*follow));

        if (!follow)
                return -ENOMEM;
        *follow = (Follow){
                .call = wire_call_ref(call),
                .vm = vm_ref(vm),
                .console = {.data = on_follow_data, .userdata = follow},
                .watch = {.changed = on_follow_changed, .userdata = follow},
        };
        console_follow(log, &follow->console);
        vm_watch(vm, &follow->watch);
        wire_call_on_gone(call, on_follow_gone, follow);
        return 0;
}

void api_logs(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {
                {"name", JSON_STRING, offsetof(LogsParameters, name), JSON_REQUIRED},
                {"lines", JSON_INT, offsetof(LogsParameters, lines), 0, 0, INT32_MAX},
                {"follow", JSON_BOOL, offsetof(LogsParameters, follow)},
                {"svsm", JSON_BOOL, offsetof(LogsParameters, svsm)},
                {},
        };
        _cleanup_(logs_parameters_done) LogsParameters p = {.lines = -1};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        Console *log;
        int r = 0;
        Vm *vm;

        vm = api_dispatch(call, parameters, fields, &p) ? api_find(call, p.name, userdata) : NULL;
        if (!vm)
                return;
        log = p.svsm ? vm->svsm_log : vm->console;
        if (!log) {
                cvm_error_invalid_spec(&error, "svsm.log", "%s was launched without it", vm->name);
                wire_call_error(call, &error);
                return;
        }
        /* lines 0 asks for nothing of the past; to console_tail() 0 is all */
        if (p.lines != 0)
                r = console_tail(log, p.lines < 0 ? 0 : (uint64_t)p.lines, LOGS_BYTES_MAX, &data,
                                 &size);
        if (r < 0) {
                cvm_error_file(&error, r, vm->manager->consoles_fd, NULL,
                               "read the console's log in");
                wire_call_error(call, &error);
                return;
        }
        if (!p.follow || !wire_call_wants_more(call) || !vm_state_is_live(vm->state)) {
                wire_call_reply(call, data_reply(data ?: "", size));
                return;
        }
        if (size)
                wire_call_continue(call, data_reply(data, size));
        r = follow_begin(call, vm, log);
        if (r < 0) {
                cvm_error_system(&error, r, "follow the console");
                wire_call_error(call, &error);
        }
}
