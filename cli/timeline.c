/* SPDX-License-Identifier: Apache-2.0 */

/* How long each step of a CVM's last launch took, drawn. */

#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "fail.h"
#include "output.h"
#include "output_file.h"
#include "reply.h"
#include "session.h"
#include "timeline_chart.h"
#include "timeline_svg.h"

typedef struct TimelineOptions {
        const char *name;
        const char *svg; /* file; NULL: print text */
} TimelineOptions;

static TimelineOptions timeline_options(const Arguments *arguments)
{
        return (TimelineOptions){
                .name = arguments_operand(arguments, 0),
                .svg = arguments_value(arguments, "svg"),
        };
}

static void timeline_draw(FILE *stream, const void *timeline)
{
        timeline_svg(stream, timeline);
}

static void timeline_print(const Timeline *timeline)
{
        const TimelineLook look = {
                .width = output_width(stdout),
                .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
                .colour = output_colour(stdout),
        };

        timeline_chart(stdout, timeline, &look);
}

static ExitStatus timeline_show(const Cli *cli, const TimelineOptions *options, json_object *reply)
{
        _cleanup_(timeline_done) Timeline timeline = {};
        ExitStatus status = EXIT_OK;

        if (timeline_read(reply, clock_now_usec(), &timeline) < 0)
                return fail_memory(cli);
        if (options->svg)
                status = output_file_draw(cli, options->svg, timeline_draw, &timeline);
        else if (cli->json)
                output_json(reply);
        else
                timeline_print(&timeline);
        return status;
}

ExitStatus verb_timeline(const Arguments *arguments)
{
        const TimelineOptions options = timeline_options(arguments);
        const Cli *cli = &arguments->cli;
        _cleanup_json_ json_object *reply = NULL;
        json_object *parameters;
        ExitStatus status;

        if (cli->json && options.svg && output_file_is_stdout(options.svg))
                return fail_usage(cli, "--svg - and --json exclude each other");
        parameters = json_object_new_object();
        status = session_add_target(cli, options.name, parameters);

        if (status.code) {
                json_object_put(parameters);
                return status;
        }
        status = session_call(cli, MANAGER "Timeline", parameters, &reply);
        if (status.code)
                return status;
        if (!reply_member(cli, reply, "cvm", json_type_object) ||
            !reply_member(cli, reply, "stages", json_type_array))
                return exit_status(EXIT_FAILED);
        return timeline_show(cli, &options, reply);
}
