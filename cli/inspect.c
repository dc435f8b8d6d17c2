/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "reply.h"
#include "session.h"

typedef struct InspectOptions {
        const char *name;
        bool spec; /* only the spec */
} InspectOptions;

static InspectOptions inspect_options(const Arguments *arguments)
{
        return (InspectOptions){
                .name = arguments_operand(arguments, 0),
                .spec = arguments_has(arguments, "spec"),
        };
}

/* Several lines for people and files, one line with --json. */
static ExitStatus inspect_print(const Cli *cli, json_object *object)
{
        _cleanup_free_ char *safe = NULL;

        if (cli->json) {
                output_json(object);
                return EXIT_OK;
        }
        safe = text_escape_json(json_object_to_json_string_ext(
                object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                JSON_C_TO_STRING_NOSLASHESCAPE));
        if (!safe)
                return fail_memory(cli);
        puts(safe);
        return EXIT_OK;
}

/* Names what the spec does not show, on standard error: what is printed is a spec file. */
static void inspect_note_missing(const char *name, json_object *spec)
{
        json_object *missing = json_member(spec, "missing");
        size_t n = json_object_is_type(missing, json_type_array) ? json_object_array_length(missing)
                                                                 : 0;

        if (n == 0)
                return;
        fprintf(stderr, "cvmctl: note: %s: not shown, and to be added for a launch:", name);
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(missing, i);
                _cleanup_free_ char *safe = text_escape_control(json_object_get_string(item) ?: "");

                fprintf(stderr, "%s %s", i ? "," : "", safe ?: "?");
        }
        fputs("\n", stderr);
}

ExitStatus verb_inspect(const Arguments *arguments)
{
        const InspectOptions options = inspect_options(arguments);
        const Cli *cli = &arguments->cli;
        _cleanup_json_ json_object *cvm = NULL;
        SessionTarget *target = NULL;
        ExitStatus status = session_resolve(cli, &options.name, 1, true, &target);
        json_object *spec;

        if (status.code)
                return status;
        status = reply_cvm(cli, target, true, &cvm);
        session_targets_free(target, 1);
        if (status.code)
                return status;
        if (!options.spec)
                return inspect_print(cli, cvm);
        spec = json_member(cvm, "spec");
        if (!json_object_is_type(spec, json_type_object))
                return fail_local(cli,
                                  "the spec of '%s' is not known: cvmd 0.1.0 launched it, which "
                                  "did not keep it",
                                  options.name);
        inspect_note_missing(options.name, spec);
        return inspect_print(cli, spec);
}
