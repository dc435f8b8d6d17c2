/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "sampler.h"
#include "screen.h"
#include "table.h"

#define STATS_EMPTY "No CVMs that run."

typedef struct StatsOptions {
        bool watch;
        int64_t interval; /* microseconds */
} StatsOptions;

static const TableColumn columns[] = {
        {"NAME", .cut = true},
        {"CPU %", .right = true},
        {"MEMORY / LIMIT", .right = true},
        {"IO R / W", .right = true},
        {"NET R / S", .right = true},
        {"TASKS", .right = true},
        {"SOURCE"},
        {},
};

static StatsOptions stats_options(const Arguments *arguments)
{
        return (StatsOptions){
                .watch = arguments_has(arguments, "watch"),
                .interval = (int64_t)arguments_number(arguments, "interval", SAMPLER_INTERVAL_SEC) *
                            1000000,
        };
}

static void stats_row(json_object *stats, char **cells)
{
        cells[0] = output_member(stats, "name");
        cells[1] = sampler_show_cpu(stats);
        cells[2] = sampler_show_pair(stats, "memory", "memoryMax");
        cells[3] = sampler_show_pair(stats, "readBytes", "writtenBytes");
        cells[4] = sampler_show_pair(stats, "receivedBytes", "sentBytes");
        cells[5] = output_member(stats, "tasks");
        cells[6] = output_member(stats, "source");
}

/* Without names, those that have something to show. */
static json_object *stats_select(const Sampler *sampler, json_object *array)
{
        json_object *selected = json_object_new_array();

        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *stats = json_object_array_get_idx(array, i);

                if (sampler->targets || json_member(stats, "source"))
                        json_object_array_add(selected, json_object_get(stats));
        }
        return selected;
}

static ExitStatus stats_print(const Cli *cli, json_object *selected)
{
        int r;

        if (cli->json)
                output_json(selected);
        else if (table_print(stdout, columns, selected, stats_row, STATS_EMPTY) < 0)
                return fail_memory(cli);
        r = output_finish();
        return r < 0 ? fail_output(cli, r) : EXIT_OK;
}

static ExitStatus stats_draw(Sampler *sampler, json_object *stats, void *userdata)
{
        _cleanup_json_ json_object *selected = stats_select(sampler, stats);
        const Cli *cli = sampler->cli;
        size_t width;
        FILE *frame;
        int r;

        if (cli->json)
                return stats_print(cli, selected);
        frame = screen_begin(&width);
        if (!frame ||
            table_print_within(frame, width, columns, selected, stats_row, STATS_EMPTY) < 0)
                return fail_memory(cli);
        r = screen_draw();
        return r < 0 ? fail_output(cli, r) : EXIT_OK;
}

static ExitStatus stats_once(Sampler *sampler)
{
        _cleanup_json_ json_object *selected = NULL;
        json_object *array;
        ExitStatus status = sampler_once(sampler, &array);

        if (status.code)
                return status;
        selected = stats_select(sampler, array);
        return stats_print(sampler->cli, selected);
}

static ExitStatus stats_run(Sampler *sampler, const StatsOptions *options)
{
        ExitStatus status;
        int r;

        if (!options->watch)
                return stats_once(sampler);
        r = sampler->cli->json ? screen_open_undrawn(sampler->client)
                               : screen_open(sampler->client);
        if (r < 0)
                return fail_local(sampler->cli, "cannot set up the screen: %s", strerror(-r));
        status = sampler_watch(sampler, options->interval, stats_draw, NULL);
        screen_close();
        return status;
}

ExitStatus verb_stats(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        const StatsOptions options = stats_options(arguments);
        const Cli *cli = &arguments->cli;
        size_t n = arguments->n_operands;
        SessionTarget *targets = NULL;
        ExitStatus status;

        if (arguments_has(arguments, "interval") && !options.watch)
                return fail_usage(cli, "--interval requires --watch");
        status = session_connect(cli, &client);
        if (!status.code && n)
                status = session_resolve(cli, arguments->operands, n, true, &targets);
        if (!status.code) {
                Sampler sampler = {cli, client, targets, n, NULL};

                status = stats_run(&sampler, &options);
                sampler_done(&sampler);
        }
        session_targets_free(targets, n);
        return status;
}
