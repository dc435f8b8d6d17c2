/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "fail.h"
#include "filter.h"
#include "reply.h"
#include "session.h"

typedef struct EventsOptions {
        FilterOptions filter;
        const char *name; /* NULL: the events of all CVMs */
        int64_t from;     /* a sequence number; -1: from now on */
} EventsOptions;

static EventsOptions events_options(const Arguments *arguments)
{
        return (EventsOptions){
                .filter = filter_options(arguments),
                .name = arguments_operand(arguments, 0),
                .from = arguments_has(arguments, "from")
                                ? (int64_t)arguments_number(arguments, "from", 0)
                                : -1,
        };
}

static json_object *events_call_parameters(const EventsOptions *options)
{
        json_object *parameters = json_object_new_object();

        if (options->from >= 0)
                json_object_object_add(parameters, "fromSequence",
                                       json_object_new_int64(options->from));
        return parameters;
}

/* One line: when, number, name, kind, and what the kind comes with. */
static int events_print(json_object *event)
{
        _cleanup_free_ char *sequence = output_member(event, "sequence");
        _cleanup_free_ char *name = output_member(event, "name");
        _cleanup_free_ char *kind = output_member(event, "kind");
        _cleanup_free_ char *old = output_member(event, "oldState");
        _cleanup_free_ char *new = output_member(event, "newState");
        _cleanup_free_ char *detail = output_member(event, "detail");
        char when[OUTPUT_TIME_MAX];

        if (!sequence || !name || !kind || !old || !new || !detail)
                return -ENOMEM;
        printf("%s %s %s %s", output_time(json_member_int(event, "at", 0), when), sequence, name,
               kind);
        if (json_member(event, "newState"))
                printf(" %s -> %s", old, new);
        if (json_member(event, "detail"))
                printf(" %s", detail);
        putchar('\n');
        return 0;
}

static ExitStatus events_print_all(const Cli *cli, WireClient *client, CvmError *error)
{
        for (;;) {
                _cleanup_json_ json_object *reply = NULL;
                json_object *event;
                int r = session_next(client, &reply, error);

                if (r < 0)
                        return session_interrupted() ? session_interrupted_exit()
                                                     : fail_error(cli, error, NULL);
                if (r == 0 && !json_member(reply, "event"))
                        return fail_local(cli, "cvmd is going down; continue with --from %" PRId64,
                                          json_member_int(reply, "sequence", 0));
                event = reply_member(cli, reply, "event", json_type_object);
                if (!event)
                        return exit_status(EXIT_FAILED);
                if (cli->json)
                        output_json(event);
                else if (events_print(event) < 0)
                        return fail_memory(cli);
                if (output_finish() < 0)
                        return fail_local(cli, "cannot write the output");
                if (r == 0)
                        return EXIT_OK;
        }
}

ExitStatus verb_events(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        const EventsOptions options = events_options(arguments);
        json_object *parameters = events_call_parameters(&options);
        const Cli *cli = &arguments->cli;
        ExitStatus status = filter_apply(cli, &options.filter, parameters);
        int r;

        if (!status.code && options.name)
                status = session_add_target(cli, options.name, parameters);
        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code) {
                json_object_put(parameters);
                return status;
        }
        session_catch_interrupts(client);
        r = wire_client_begin(client, MANAGER "Watch", parameters, NULL, 0, &error);
        if (r < 0)
                return session_interrupted() ? session_interrupted_exit()
                                             : fail_error(cli, &error, NULL);
        return events_print_all(cli, client, &error);
}
