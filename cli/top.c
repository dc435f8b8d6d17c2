/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "cvm_text.h"
#include "fail.h"
#include "filter.h"
#include "moment.h"
#include "reply.h"
#include "sampler.h"
#include "screen.h"
#include "session.h"

typedef struct TopOptions {
        FilterOptions filter;
        int64_t interval; /* microseconds */
} TopOptions;

static const TableColumn columns[] = {
        {"NAME", .cut = true},
        {"STATE", "state", .colour = cvm_text_state_colour},
        {"READY"},
        {"AGE", .right = true},
        {"CPU %", .right = true},
        {"MEMORY", .right = true},
        {"RESTARTS", .right = true},
        {"LAST EVENT", .cut = true},
        {},
};

static TopOptions top_options(const Arguments *arguments)
{
        return (TopOptions){
                .filter = filter_options(arguments),
                .interval = (int64_t)arguments_number(arguments, "interval", SAMPLER_INTERVAL_SEC) *
                            1000000,
        };
}

/* "state stopped, 12 s ago" */
static char *top_show_event(json_object *stats)
{
        json_object *event = json_member(stats, "lastEvent");
        _cleanup_free_ char *kind = output_member(event, "kind");
        _cleanup_free_ char *state = output_member(event, "newState");
        _cleanup_free_ char *age = moment_relative(json_member_int(event, "at", 0));
        bool has_state = json_member(event, "newState");

        if (!event)
                return strdup("-");
        if (!kind || !state || !age)
                return NULL;
        return text_format("%s%s%s, %s", kind, has_state ? " " : "", has_state ? state : "", age);
}

static void top_row(json_object *cvm, char **cells)
{
        json_object *stats = json_member(cvm, "stats");

        cells[0] = output_member(cvm, "name");
        cells[1] = output_member(cvm, "state");
        cells[2] = output_member(cvm, "ready");
        cells[3] = moment_age(json_member_int(cvm, "createdAt", 0));
        cells[4] = sampler_show_cpu(stats);
        cells[5] = sampler_show_size(stats, "memory");
        cells[6] = output_member(cvm, "restarts");
        cells[7] = top_show_event(stats);
}

/* Gives each CVM its statistics. Both arrays are sorted by name. */
static void top_join(json_object *cvms, json_object *stats)
{
        size_t n_stats = json_object_array_length(stats), s = 0;

        for (size_t i = 0; i < json_object_array_length(cvms); i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);
                const char *name = json_member_string(cvm, "name") ?: "";
                const char *id = json_member_string(cvm, "id") ?: "";
                json_object *one = NULL;

                for (; s < n_stats; s++) {
                        one = json_object_array_get_idx(stats, s);
                        if (strcmp(json_member_string(one, "name") ?: "", name) >= 0)
                                break;
                }
                if (s < n_stats && strcmp(json_member_string(one, "id") ?: "", id) == 0)
                        json_object_object_add(cvm, "stats", json_object_get(one));
        }
}

/* Returns EXIT_OK with the CVMs in *ret, or the status of what it printed; after a signal *ret is
 * not set. */
static ExitStatus top_ask(Sampler *sampler, json_object *filter, json_object *stats,
                          json_object **ret)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *parameters = NULL, *cvms;
        ExitStatus status;

        json_object_deep_copy(filter, &parameters, NULL);
        status = session_call_again(sampler->cli, sampler->client, MANAGER "List", parameters,
                                    &reply);
        if (status.code || !reply)
                return status;
        cvms = reply_member(sampler->cli, reply, "cvms", json_type_array);
        if (!cvms)
                return exit_status(EXIT_FAILED);
        top_join(cvms, stats);
        *ret = json_object_get(cvms);
        return EXIT_OK;
}

static ExitStatus top_draw(const Cli *cli, json_object *cvms)
{
        size_t width;
        FILE *frame = screen_begin(&width);
        int r;

        if (!frame || table_print_within(frame, width, columns, cvms, top_row, "No CVMs.") < 0)
                return fail_memory(cli);
        r = screen_draw();
        return r < 0 ? fail_output(cli, r) : EXIT_OK;
}

static ExitStatus on_sample(Sampler *sampler, json_object *stats, void *userdata)
{
        _cleanup_json_ json_object *cvms = NULL;
        ExitStatus status = top_ask(sampler, userdata, stats, &cvms);

        return status.code || !cvms ? status : top_draw(sampler->cli, cvms);
}

static ExitStatus top_print_once(Sampler *sampler, json_object *filter)
{
        _cleanup_json_ json_object *cvms = NULL;
        const Cli *cli = sampler->cli;
        json_object *stats;
        ExitStatus status = sampler_once(sampler, &stats);

        if (!status.code)
                status = top_ask(sampler, filter, stats, &cvms);
        if (status.code)
                return status;
        if (cli->json)
                output_json(cvms);
        else if (table_print(stdout, columns, cvms, top_row, "No CVMs.") < 0)
                return fail_memory(cli);
        return EXIT_OK;
}

static ExitStatus top_run(Sampler *sampler, const TopOptions *options, json_object *filter)
{
        ExitStatus status;
        int r;

        if (sampler->cli->json || !output_redraws(stdout))
                return top_print_once(sampler, filter);
        r = screen_open(sampler->client);
        if (r < 0)
                return fail_local(sampler->cli, "cannot set up the screen: %s", strerror(-r));
        status = sampler_watch(sampler, options->interval, on_sample, filter);
        screen_close();
        return status;
}

ExitStatus verb_top(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_json_ json_object *filter = json_object_new_object();
        const TopOptions options = top_options(arguments);
        const Cli *cli = &arguments->cli;
        ExitStatus status;

        if (cli->json && arguments_has(arguments, "interval"))
                return fail_usage(cli, "--json prints once: without --interval");
        status = filter_apply(cli, &options.filter, filter);
        if (!status.code)
                status = session_connect(cli, &client);
        if (!status.code) {
                Sampler sampler = {.cli = cli, .client = client};

                status = top_run(&sampler, &options, filter);
                sampler_done(&sampler);
        }
        return status;
}
