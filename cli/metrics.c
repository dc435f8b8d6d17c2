/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "output_file.h"
#include "reply.h"
#include "session.h"

#define FILE_MODE 0644 /* node-exporter is another user */

static ExitStatus metrics_show(const Arguments *arguments, json_object *reply)
{
        const Cli *cli = &arguments->cli;
        const char *path = arguments_value(arguments, "output");
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
        const char *format = arguments_value(arguments, "format");
        _cleanup_json_ json_object *reply = NULL;
        ExitStatus status = session_call(
                &arguments->cli, MANAGER "Metrics",
                json_build("format", format ? json_object_new_string(format) : NULL, NULL), &reply);

        if (status.code)
                return status;
        if (arguments->cli.json && !arguments_has(arguments, "output")) {
                output_json(reply);
                return EXIT_OK;
        }
        return metrics_show(arguments, reply);
}
