/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_spec.h"

#include <ctype.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_place.h"
#include "base/text.h"
#include "fail.h"
#include "launch_credentials.h"
#include "launch_files.h"

/* A spec file as it stands, for messages that name its lines. */
typedef struct SpecFile {
        const char *path; /* borrowed; NULL: none was given */
        char *text;
        size_t size;
        char *name; /* what the file says; NULL: nothing */
} SpecFile;

static void spec_file_done(SpecFile *file)
{
        if (file->text)
                explicit_bzero(file->text, file->size);
        free(file->text);
        free(file->name);
}

void launch_spec_done(LaunchSpec *spec)
{
        for (size_t i = 0; i < spec->n_fds; i++)
                close(spec->fds[i]);
        json_clear_strings(spec->object);
        json_object_put(spec->object);
        json_object_put(spec->paths);
        *spec = (LaunchSpec){};
}

static ExitStatus launch_spec_read_file(const Cli *cli, SpecFile *file)
{
        int r;

        if (strcmp(file->path, "-") == 0) {
                file->path = "standard input";
                r = fd_read_all(STDIN_FILENO, LAUNCH_SPEC_BYTES_MAX, &file->text, &file->size);
        } else {
                r = file_read_at(AT_FDCWD, file->path, LAUNCH_SPEC_BYTES_MAX, &file->text,
                                 &file->size);
        }
        return r < 0 ? fail_file_error(cli, file->path, r, "cannot read the spec") : EXIT_OK;
}

/* Whether a line begins like "name: value" or "name = value": a word and `mark`. */
static bool has_key(const char *line, size_t size, char mark)
{
        size_t i = 0;

        while (i < size && (isalnum((unsigned char)line[i]) || strchr("_-.", line[i])))
                i++;
        if (i == 0)
                return false;
        while (i < size && line[i] == ' ')
                i++;
        return i < size && line[i] == mark && (i + 1 == size || strchr(" \r", line[i + 1]));
}

/* What a text that is not JSON looks like by the first line that says something. */
static const char *other_syntax(const char *text, size_t size)
{
        for (const char *end; size > 0; size -= (size_t)(end - text), text = end) {
                const char *line_end = memchr(text, '\n', size);
                size_t length = line_end ? (size_t)(line_end - text) : size;

                end = text + length + (line_end != NULL);
                if (length == 0 || memchr("#\r", text[0], 2))
                        continue;
                if (has_key(text, length, ':') || (length >= 3 && memcmp(text, "---", 3) == 0) ||
                    (length >= 5 && memcmp(text, "%YAML", 5) == 0))
                        return "; it looks like YAML: a spec is JSON, see cvm-spec(5)";
                if (has_key(text, length, '='))
                        return "; it looks like TOML: a spec is JSON, see cvm-spec(5)";
                break;
        }
        return "";
}

static ExitStatus load_file(const Cli *cli, SpecFile *file, json_object **ret)
{
        _cleanup_free_ char *copy = strdup(file->path);
        _cleanup_json_ json_object *object = NULL;
        bool is_stdin = strcmp(file->path, "-") == 0;
        JsonParseError where;
        const char *name;
        ExitStatus status;
        int r;

        if (!copy)
                return fail_memory(cli);
        status = launch_spec_read_file(cli, file);
        if (status.code)
                return status;
        r = json_parse(file->text, file->size, &object, &where);
        if (r == -ENOMEM)
                return fail_memory(cli);
        if (r < 0)
                return fail_file(cli, file->path, where.line, "not valid JSON (column %u): %s%s",
                                 where.column, where.reason, other_syntax(file->text, file->size));
        if (!json_object_is_type(object, json_type_object))
                return fail_file(cli, file->path, 1, "a spec must be a JSON object");
        status = launch_files_resolve(cli, object, file->path, is_stdin ? "." : dirname(copy));
        if (status.code)
                return status;
        name = json_member_string(object, "name");
        if (name) {
                file->name = strdup(name);
                if (!file->name)
                        return fail_memory(cli);
        }
        *ret = TAKE_PTR(object);
        return EXIT_OK;
}

LaunchSpecOptions launch_spec_options(const Arguments *arguments)
{
        return (LaunchSpecOptions){
                .name = arguments_operand(arguments, 0),
                .file = arguments_value(arguments, "file"),
                .flags = launch_flags_options(arguments),
        };
}

static ExitStatus apply_name(const Cli *cli, const LaunchSpecOptions *options, json_object *object)
{
        if (options->name)
                json_object_object_add(object, "name", json_new_text(options->name));
        else if (!json_member(object, "name") && options->render)
                json_object_object_add(object, "name", json_new_text("cvm"));
        else if (!json_member(object, "name"))
                return fail_usage(cli, "%s requires a NAME, or a --file that has one",
                                  cli->verb->name);
        return EXIT_OK;
}

/* The spec's own check, here already: quick, and it can name the file's line. */
static ExitStatus validate(const Cli *cli, const SpecFile *file, json_object *object, CvmSpec **ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *where = NULL;
        const char *field;
        unsigned line = 0;

        if (spec_parse(object, ret, &error) >= 0)
                return EXIT_OK;
        field = json_member_string(error.fields, "field");
        if (file->text && field)
                line = json_place_line(file->text, file->size, field);
        if (line && !(where = text_format("%s:%u", file->path, line)))
                return fail_memory(cli);
        return fail_error(cli, &error, where);
}

static ExitStatus launch_spec_check(const Cli *cli, const SpecFile *file, json_object *object)
{
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        return validate(cli, file, object, &spec);
}

static ExitStatus check_size(const Cli *cli, json_object *object)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (strlen(json_text(object)) <= LAUNCH_SPEC_BYTES_MAX)
                return EXIT_OK;
        cvm_error_invalid_spec(
                &error, "certs",
                "more than %u MiB together with the environment; give large files by path",
                LAUNCH_SPEC_BYTES_MAX >> 20);
        return fail_error(cli, &error, NULL);
}

ExitStatus launch_spec_build(const Cli *cli, const LaunchSpecOptions *options, LaunchSpec *ret)
{
        _cleanup_(launch_spec_done) LaunchSpec spec = {.paths = json_object_new_object()};
        _cleanup_(spec_file_done) SpecFile file = {.path = options->file};
        ExitStatus status = EXIT_OK;

        if (file.path)
                status = load_file(cli, &file, &spec.object);
        else if (!(spec.object = json_object_new_object()))
                status = fail_memory(cli);
        if (!status.code)
                status = apply_name(cli, options, spec.object);
        if (!status.code)
                status = launch_flags_apply(cli, &options->flags, spec.object);
        if (!status.code)
                status = launch_credentials_resolve(cli, options->render, spec.object);
        if (!status.code)
                status = launch_spec_check(cli, &file, spec.object);
        if (!status.code)
                status = launch_files_open(cli, options->render, &spec);
        if (status.code)
                return status;
        status = check_size(cli, spec.object);
        if (status.code)
                return status;
        *ret = TAKE_STRUCT(spec);
        return EXIT_OK;
}

ExitStatus launch_spec_read(const Cli *cli, const char *path, CvmSpec **ret)
{
        _cleanup_(spec_file_done) SpecFile file = {.path = path};
        _cleanup_json_ json_object *object = NULL;
        ExitStatus status;

        status = load_file(cli, &file, &object);
        if (!status.code && !json_member(object, "name"))
                json_object_object_add(object, "name", json_new_text("cvm"));
        if (!status.code)
                status = launch_credentials_resolve(cli, true, object);
        return status.code ? status : validate(cli, &file, object, ret);
}
