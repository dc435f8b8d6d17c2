/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "fail.h"
#include "filter.h"
#include "reply.h"
#include "screen.h"
#include "session.h"

#define TOP_INTERVAL_SEC 2

typedef struct TopOptions {
        FilterOptions filter;
        int64_t interval; /* microseconds */
} TopOptions;

static const TableColumn columns[] = {
        {"NAME", .cut = true},       {"STATE"}, {"READY"}, {"AGE", .right = true},
        {"RESTARTS", .right = true}, {},
};

static TopOptions top_options(const Arguments *arguments)
{
        return (TopOptions){
                .filter = filter_options(arguments),
                .interval = (int64_t)arguments_number(arguments, "interval", TOP_INTERVAL_SEC) *
                            1000000,
        };
}

static void top_row(json_object *cvm, char **cells)
{
        char age[OUTPUT_AGE_MAX];

        cells[0] = output_member(cvm, "name");
        cells[1] = output_member(cvm, "state");
        cells[2] = output_member(cvm, "ready");
        cells[3] = strdup(output_age(json_member_int(cvm, "createdAt", 0), age));
        cells[4] = output_member(cvm, "restarts");
}

/* Returns EXIT_OK with the CVMs in *ret; of a signal's status, *ret is not set. */
static ExitStatus top_ask(const Cli *cli, WireClient *client, json_object *filter,
                          json_object **ret)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *parameters = NULL, *cvms;
        ExitStatus status;

        json_object_deep_copy(filter, &parameters, NULL);
        status = session_call_again(cli, client, MANAGER "List", parameters, &reply);
        if (status.code || !reply)
                return status;
        cvms = reply_member(cli, reply, "cvms", json_type_array);
        if (!cvms)
                return exit_status(EXIT_FAILED);
        *ret = json_object_get(cvms);
        return EXIT_OK;
}

static ExitStatus top_draw(const Cli *cli, json_object *cvms)
{
        size_t width;
        FILE *frame = screen_begin(&width);

        if (!frame || table_print_within(frame, width, columns, cvms, top_row) < 0)
                return fail_memory(cli);
        return screen_draw() < 0 ? fail_local(cli, "cannot write the output") : EXIT_OK;
}

static ExitStatus top_show(const Cli *cli, WireClient *client, const TopOptions *options,
                           json_object *filter)
{
        bool again = output_redraws(stdout);
        ExitStatus status;

        do {
                int64_t until = clock_monotonic_usec() + options->interval;
                _cleanup_json_ json_object *cvms = NULL;

                status = top_ask(cli, client, filter, &cvms);
                if (status.code || !cvms)
                        return status;
                status = top_draw(cli, cvms);
                again = again && !status.code && screen_wait(client, until) != SCREEN_LEFT;
        } while (again);
        return session_interrupted() ? session_interrupted_exit() : status;
}

static ExitStatus top_print_json(const Cli *cli, WireClient *client, json_object *filter)
{
        _cleanup_json_ json_object *cvms = NULL;
        ExitStatus status = top_ask(cli, client, filter, &cvms);

        if (!status.code && cvms)
                output_json(cvms);
        return status;
}

ExitStatus verb_top(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_json_ json_object *filter = json_object_new_object();
        const TopOptions options = top_options(arguments);
        const Cli *cli = &arguments->cli;
        ExitStatus status = filter_apply(cli, &options.filter, filter);
        int r;

        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        if (cli->json)
                return top_print_json(cli, client, filter);
        r = screen_open(client);
        if (r < 0)
                return fail_local(cli, "cannot set up the screen: %s", strerror(-r));
        status = top_show(cli, client, &options, filter);
        screen_close();
        return status;
}
