/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/text.h"
#include "cvm_text.h"
#include "fail.h"
#include "list.h"
#include "reply.h"
#include "session.h"
#include "status_spec.h"

static void print_state(json_object *cvm)
{
        _cleanup_free_ char *state = output_member(cvm, "state");
        const char *colour = output_colour(stdout) ? cvm_text_state_colour(cvm, "state") : NULL;

        printf("%*s: %s%s%s%s%s\n", STATUS_TITLE_WIDTH, "State", colour ?: "", state ?: "-",
               colour ? OUTPUT_PLAIN : "", json_member_bool(cvm, "ready", false) ? ", ready" : "",
               json_member_bool(cvm, "debug", false) ? ", debug" : "");
}

static void print_ending(json_object *cvm)
{
        json_object *ending = json_member(cvm, "ending");

        if (!ending)
                return;
        status_spec_member(ending, "Ended by", "reason");
        status_spec_time(ending, "Ended", "at");
        status_spec_member(ending, "Exit code", "exitCode");
        status_spec_member(ending, "Signal", "signal");
        status_spec_member(ending, "Detail", "detail");
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
                        status_spec_line(title, text);
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
                status_spec_line("Bound by", text);
        status_spec_member(binding, "Bound to", "document");
}

static void print_cvm(json_object *cvm)
{
        _cleanup_free_ char *memory = output_size(cvm, "memory");
        _cleanup_free_ char *owner = cvm_text_user(cvm, "owner");
        bool confidential = json_member(cvm, "confidential");
        _cleanup_free_ char *forwards = output_forwards(cvm);

        status_spec_member(cvm, "Name", "name");
        print_state(cvm);
        status_spec_member(cvm, "Guest says", "guestStatus");
        status_spec_member(cvm, "Platform", "platform");
        status_spec_line("Confidential", confidential ? json_member_bool(cvm, "confidential", false)
                                                                ? "yes"
                                                                : "no, the host can read the guest"
                                                      : NULL);
        if (json_member_bool(cvm, "emulated", false))
                status_spec_line("Emulated", "yes, by QEMU (TCG), which is slow");
        status_spec_member(cvm, "Driver", "driver");
        status_spec_member(cvm, "CPUs", "cpus");
        status_spec_line("Memory", memory);
        status_spec_line("Forwards", forwards);
        status_spec_member(cvm, "Vsock CID", "vsockCid");
        status_spec_member(cvm, "PID", "pid");
        status_spec_line("Owner", owner);
        status_spec_member(cvm, "ID", "id");
        status_spec_time(cvm, "Created", "createdAt");
        status_spec_time(cvm, "Started", "startedAt");
        status_spec_time(cvm, "Ready", "readyAt");
        status_spec_time(cvm, "Expires", "expiresAt");
        status_spec_member(cvm, "Restarts", "restarts");
        status_spec_time(cvm, "Next start", "restartAt");
        print_ending(cvm);
        status_spec_print(json_member(cvm, "spec"));
        print_map(cvm, "Label", "labels");
        status_spec_member(cvm, "Image", "image");
        print_map(cvm, "Artifact", "artifacts");
        print_map(cvm, "Measurement", "measurement");
        status_print_binding(cvm);
}

/* before: something was printed already. */
static ExitStatus status_show(const Cli *cli, const SessionTarget *target, bool before)
{
        _cleanup_json_ json_object *cvm = NULL;
        ExitStatus status = reply_cvm(cli, target, true, &cvm);

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
