/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "event_text.h"
#include "fail.h"
#include "filter.h"
#include "reply.h"
#include "session.h"
#include "since.h"

typedef struct EventsOptions {
        FilterOptions filter;
        OptionValues kinds; /* none: all */
        const char *name;   /* NULL: the events of all CVMs */
        const char *from;   /* "oldest" or a sequence number; NULL: from now on */
        const char *since;  /* NULL: any time */
        bool quit;          /* with the last event that is kept */
} EventsOptions;

static EventsOptions events_options(const Arguments *arguments)
{
        return (EventsOptions){
                .filter = filter_options(arguments),
                .kinds = arguments_values(arguments, "kind"),
                .name = arguments_operand(arguments, 0),
                .from = arguments_value(arguments, "from"),
                .since = arguments_value(arguments, "since"),
                .quit = arguments_has(arguments, "quit"),
        };
}

/* What is watched, and how it ends. */
typedef struct EventsWatch {
        const Cli *cli;
        OptionValues kinds;
        const char *name; /* as the user gave it; NULL: all CVMs */
        int64_t since;    /* events before it are not printed; 0: all */
        bool replay;      /* the events that are kept come first */
        bool gone;        /* the CVM does not exist, but may have left events */
        size_t printed;
} EventsWatch;

static ExitStatus events_set_start(EventsWatch *watch, const EventsOptions *options,
                                   json_object *parameters)
{
        const char *from = options->from ?: "oldest";
        uint64_t number = 0;

        if (options->since) {
                ExitStatus status = since_parse(watch->cli, options->since, &watch->since);

                if (status.code)
                        return status;
        }
        watch->replay = options->from || options->since || options->quit;
        if (!watch->replay)
                return EXIT_OK;
        if (strcmp(from, "oldest") != 0 && text_parse_uint(from, 0, INT64_MAX, &number) < 0)
                return fail_usage(watch->cli, "invalid --from '%s': expected oldest or a number",
                                  from);
        json_object_object_add(parameters, "fromSequence", json_object_new_int64((int64_t)number));
        return EXIT_OK;
}

/* Selects the CVM. One that is gone, or never was, is an error, unless it has left events. */
static ExitStatus events_set_target(EventsWatch *watch, const char *name, json_object *parameters)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *target = NULL;
        ExitStatus status;
        int r;

        if (!name)
                return EXIT_OK;
        watch->name = name;
        status = session_add_target(watch->cli, name, parameters);
        if (!status.code)
                status = session_connect(watch->cli, &client);
        if (status.code)
                return status;
        target = json_build("name", json_object_get(json_member(parameters, "name")), "id",
                            json_object_get(json_member(parameters, "id")), NULL);
        r = wire_client_call(client, MANAGER "Status", target, NULL, 0, NULL, &error);
        watch->gone = r < 0 && error.id == CVM_ERROR_NO_SUCH_CVM && watch->replay;
        return r < 0 && !watch->gone ? fail_error(watch->cli, &error, NULL) : EXIT_OK;
}

static bool events_is_wanted(const EventsWatch *watch, json_object *event)
{
        const char *kind = json_member_string(event, "kind") ?: "";

        if (watch->since && json_member_int(event, "at", 0) < watch->since)
                return false;
        for (size_t i = 0; i < watch->kinds.n; i++)
                if (strcmp(watch->kinds.at[i], kind) == 0)
                        return true;
        return watch->kinds.n == 0;
}

/* One line: when, of which CVM, and what happened. */
static int events_print_line(json_object *event)
{
        _cleanup_free_ char *text = event_text(event);
        _cleanup_free_ char *name = output_member(event, "name");
        char when[OUTPUT_TIME_MAX];

        if (!text || !name)
                return -ENOMEM;
        output_clock(json_member_int(event, "at", 0), when);
        if (strcmp(name, "-") == 0) /* it is about no CVM */
                printf("%s %s\n", when, text);
        else
                printf("%s %s: %s\n", when, name, text);
        return 0;
}

static ExitStatus events_print(EventsWatch *watch, json_object *event)
{
        int r;

        if (!events_is_wanted(watch, event))
                return EXIT_OK;
        watch->printed++;
        if (watch->cli->json)
                output_json(event);
        else if (events_print_line(event) < 0)
                return fail_memory(watch->cli);
        r = output_finish();
        return r < 0 ? fail_output(watch->cli, r) : EXIT_OK;
}

/* The last reply, which has no event. */
static ExitStatus events_finish(const EventsWatch *watch, json_object *reply)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (json_member(reply, "ended"))
                return fail_local(watch->cli, "cvmd is going down; continue with --from %" PRId64,
                                  json_member_int(reply, "sequence", 0));
        if (!watch->gone || watch->printed)
                return EXIT_OK;
        cvm_error_no_such_cvm(&error, watch->name, NULL);
        return fail_error(watch->cli, &error, NULL);
}

static ExitStatus events_print_all(EventsWatch *watch, WireClient *client, CvmError *error)
{
        for (;;) {
                _cleanup_json_ json_object *reply = NULL;
                json_object *event;
                ExitStatus status;
                int r = session_next(client, &reply, error);

                if (r < 0)
                        return session_interrupted() ? session_interrupted_exit()
                                                     : fail_error(watch->cli, error, NULL);
                if (r == 0 && !json_member(reply, "event"))
                        return events_finish(watch, reply);
                event = reply_member(watch->cli, reply, "event", json_type_object);
                status = event ? events_print(watch, event) : exit_status(EXIT_FAILED);
                if (status.code || r == 0)
                        return status;
        }
}

ExitStatus verb_events(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const EventsOptions options = events_options(arguments);
        const Cli *cli = &arguments->cli;
        EventsWatch watch = {.cli = cli, .kinds = options.kinds};
        ExitStatus status = events_set_start(&watch, &options, parameters);
        int r;

        if (!status.code)
                status = filter_apply(cli, &options.filter, parameters);
        if (!status.code)
                status = events_set_target(&watch, options.name, parameters);
        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        if (options.quit || watch.gone)
                json_object_object_add(parameters, "follow", json_object_new_boolean(false));
        session_catch_interrupts(client);
        status = session_watch_output(cli, client);
        if (status.code)
                return status;
        r = wire_client_begin(client, MANAGER "Watch", TAKE_PTR(parameters), NULL, 0, &error);
        if (r < 0)
                return session_interrupted() ? session_interrupted_exit()
                                             : fail_error(cli, &error, NULL);
        return events_print_all(&watch, client, &error);
}
