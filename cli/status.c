/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "list.h"
#include "reply.h"
#include "session.h"

/* "Title:  text" in one column. */
static void line(const char *title, const char *text)
{
        printf("%12s: %s\n", title, text ?: "-");
}

static void member_line(json_object *object, const char *title, const char *key)
{
        _cleanup_free_ char *text = output_member(object, key);

        if (json_member(object, key))
                line(title, text);
}

static void time_line(json_object *object, const char *title, const char *key)
{
        char when[OUTPUT_TIME_MAX];

        if (json_member(object, key))
                line(title, output_time(json_member_int(object, key, 0), when));
}

static void print_state(json_object *cvm)
{
        _cleanup_free_ char *state = output_member(cvm, "state");
        _cleanup_free_ char *text = NULL;
        bool ready = json_member_bool(cvm, "ready", false);

        text = text_format("%s%s%s", state ?: "-", ready ? ", ready" : "",
                           json_member_bool(cvm, "debug", false) ? ", debug" : "");
        if (text)
                line("State", text);
}

static void print_ending(json_object *cvm)
{
        json_object *ending = json_member(cvm, "ending");

        if (!ending)
                return;
        member_line(ending, "Ended by", "reason");
        time_line(ending, "Ended", "at");
        member_line(ending, "Exit code", "exitCode");
        member_line(ending, "Signal", "signal");
        member_line(ending, "Detail", "detail");
}

/* A map of names to texts, a line each. */
static void print_map(json_object *cvm, const char *title, const char *key)
{
        json_object *map = json_member(cvm, key);

        if (!json_object_is_type(map, json_type_object))
                return;
        json_object_object_foreach (map, name, ignored) {
                _cleanup_free_ char *digest = output_member(map, name);
                _cleanup_free_ char *safe = text_escape_control(name), *text = NULL;

                (void)ignored;
                text = text_format("%s %s", safe ?: "-", digest ?: "-");
                if (text)
                        line(title, text);
        }
}

static void status_print_binding(json_object *cvm)
{
        json_object *binding = json_member(cvm, "binding");
        _cleanup_free_ char *field = output_member(binding, "field"),
                            *value = output_member(binding, "value"), *text = NULL;

        if (!binding)
                return;
        text = text_format("%s %s", field ?: "-", value ?: "-");
        if (text)
                line("Bound by", text);
        member_line(binding, "Bound to", "document");
}

static void print_cvm(json_object *cvm)
{
        _cleanup_free_ char *memory = output_size(cvm, "memory");
        _cleanup_free_ char *forwards = output_forwards(cvm);

        member_line(cvm, "Name", "name");
        print_state(cvm);
        member_line(cvm, "Guest says", "guestStatus");
        member_line(cvm, "Platform", "platform");
        member_line(cvm, "Confidential", "confidential");
        member_line(cvm, "Driver", "driver");
        member_line(cvm, "CPUs", "cpus");
        line("Memory", memory);
        line("Forwards", forwards);
        member_line(cvm, "Vsock CID", "vsockCid");
        member_line(cvm, "PID", "pid");
        member_line(cvm, "Owner", "owner");
        member_line(cvm, "ID", "id");
        time_line(cvm, "Created", "createdAt");
        time_line(cvm, "Started", "startedAt");
        time_line(cvm, "Ready", "readyAt");
        time_line(cvm, "Expires", "expiresAt");
        member_line(cvm, "Restarts", "restarts");
        time_line(cvm, "Next start", "restartAt");
        print_ending(cvm);
        print_map(cvm, "Label", "labels");
        print_map(cvm, "Artifact", "artifacts");
        print_map(cvm, "Measurement", "measurement");
        status_print_binding(cvm);
}

/* before: something was printed already. */
static ExitStatus status_show(const Cli *cli, const SessionTarget *target, bool before)
{
        _cleanup_json_ json_object *cvm = NULL;
        ExitStatus status = reply_cvm(cli, target, false, &cvm);

        if (status.code)
                return status;
        if (before && !cli->json)
                putchar('\n');
        if (cli->json)
                output_json(cvm);
        else
                print_cvm(cvm);
        return EXIT_OK;
}

/* All CVMs, as `list` shows them. */
static ExitStatus status_list(const Cli *cli)
{
        _cleanup_(list_select_done)
                ListSelection selection = {.parameters = json_object_new_object()};
        const ListFormat format = {.json = cli->json};

        return list_print(cli, &selection, &format);
}

ExitStatus verb_status(const Arguments *arguments)
{
        const Cli *cli = &arguments->cli;
        size_t n = arguments->n_operands;
        SessionTarget *targets = NULL;
        ExitStatus status;
        bool before = false;

        if (n == 0)
                return status_list(cli);
        status = session_resolve(cli, arguments->operands, n, true, &targets);
        for (size_t i = 0; targets && i < n; i++) {
                ExitStatus one = status_show(cli, &targets[i], before);

                before = before || !one.code;
                status = exit_first(status, one);
                if (one.code == EXIT_UNAVAILABLE)
                        break; /* the next ones would fail alike */
        }
        session_targets_free(targets, n);
        return status;
}
