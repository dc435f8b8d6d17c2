/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "output_file.h"
#include "output_raw.h"
#include "reply.h"
#include "session.h"

#define FILE_MODE 0644 /* node-exporter is another user */

typedef struct MetricsOptions {
        const char *format; /* NULL: the daemon's default */
        const char *output; /* a file; NULL: standard output */
} MetricsOptions;

static MetricsOptions metrics_options(const Arguments *arguments)
{
        return (MetricsOptions){
                .format = arguments_value(arguments, "format"),
                .output = arguments_value(arguments, "output"),
        };
}

static ExitStatus metrics_print(const Cli *cli, const char *path, json_object *reply)
{
        json_object *text = reply_member(cli, reply, "text", json_type_string);
        OutputRaw raw = {.escape = output_is_terminal(stdout)};

        if (!text)
                return exit_status(EXIT_FAILED);
        if (path)
                return output_file_write(cli, path, json_object_get_string(text),
                                         (size_t)json_object_get_string_len(text), FILE_MODE);
        output_raw(&raw, json_object_get_string(text), (size_t)json_object_get_string_len(text));
        return EXIT_OK;
}

ExitStatus verb_metrics(const Arguments *arguments)
{
        const MetricsOptions options = metrics_options(arguments);
        json_object *format = options.format ? json_object_new_string(options.format) : NULL;
        const Cli *cli = &arguments->cli;
        _cleanup_json_ json_object *reply = NULL;
        ExitStatus status =
                session_call(cli, MANAGER "Metrics", json_build("format", format, NULL), &reply);

        if (status.code)
                return status;
        if (cli->json && !options.output) {
                output_json(reply);
                return EXIT_OK;
        }
        return metrics_print(cli, options.output, reply);
}
