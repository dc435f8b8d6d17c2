/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_spec.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "launch_credentials.h"
#include "launch_files.h"
#include "made_name.h"

void launch_spec_done(LaunchSpec *spec)
{
        for (size_t i = 0; i < spec->n_fds; i++)
                close(spec->fds[i]);
        json_clear_strings(spec->object);
        json_object_put(spec->object);
        json_object_put(spec->paths);
        spec_file_done(&spec->file);
        cvm_error_done(&spec->faults);
        *spec = (LaunchSpec){};
}

/* Faults of the files that the spec names are added to the error. */
static ExitStatus load_file(const Cli *cli, SpecFile *file, json_object **ret, CvmError *error)
{
        _cleanup_free_ char *copy = strdup(file->path);
        _cleanup_json_ json_object *object = NULL;
        bool is_stdin = strcmp(file->path, "-") == 0;
        ExitStatus status;

        if (!copy)
                return fail_memory(cli);
        status = spec_file_read(cli, LAUNCH_SPEC_BYTES_MAX, file, &object);
        if (status.code)
                return status;
        launch_files_resolve(object, is_stdin ? "." : dirname(copy), error);
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
        _cleanup_free_ char *made = NULL;

        if (options->name)
                json_object_object_add(object, "name", json_new_text(options->name));
        else if (json_member(object, "name"))
                return EXIT_OK;
        else if (options->render)
                json_object_object_add(object, "name", json_new_text("cvm"));
        else if (options->id && (made = made_name(options->id)))
                json_object_object_add(object, "name", json_new_text(made));
        else
                return fail_usage(cli, "%s requires a NAME, or a --file that has one",
                                  cli->verb->name);
        return EXIT_OK;
}

/* The spec's own check, here already: quick, and it can name the places in the file. */
static ExitStatus validate(const Cli *cli, const SpecFile *file, json_object *object, CvmSpec **ret,
                           CvmError *error)
{
        return spec_parse(object, ret, error) < 0 ? spec_file_fail(cli, file, error) : EXIT_OK;
}

static ExitStatus launch_spec_check(const Cli *cli, LaunchSpec *launch)
{
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        return validate(cli, &launch->file, launch->object, &spec, &launch->faults);
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
        _cleanup_(launch_spec_done)
                LaunchSpec spec = {.paths = json_object_new_object(), .file.path = options->file};
        ExitStatus status = EXIT_OK;

        if (options->file)
                status = load_file(cli, &spec.file, &spec.object, &spec.faults);
        else if (!(spec.object = json_object_new_object()))
                status = fail_memory(cli);
        if (status.code)
                return status;
        spec_file_remember(&spec.file, spec.object);
        status = apply_name(cli, options, spec.object);
        if (!status.code)
                status = launch_flags_apply(cli, &options->flags, spec.object);
        spec_file_compare(&spec.file, spec.object);
        if (!status.code)
                status =
                        launch_credentials_resolve(cli, options->render, spec.object, &spec.faults);
        if (!status.code)
                status = launch_spec_check(cli, &spec);
        if (!status.code)
                status = launch_files_open(cli, options->render, &spec);
        if (!status.code)
                status = check_size(cli, spec.object);
        if (status.code)
                return status;
        *ret = TAKE_STRUCT(spec);
        return EXIT_OK;
}

ExitStatus launch_spec_fail(const Cli *cli, const LaunchSpec *spec, CvmError *error)
{
        return spec_file_fail(cli, &spec->file, error);
}

ExitStatus launch_spec_read(const Cli *cli, const char *path, CvmSpec **ret)
{
        _cleanup_(spec_file_done) SpecFile file = {.path = path};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *object = NULL;
        ExitStatus status;

        status = load_file(cli, &file, &object, &error);
        if (!status.code && !json_member(object, "name"))
                json_object_object_add(object, "name", json_new_text("cvm"));
        if (!status.code)
                status = launch_credentials_resolve(cli, true, object, &error);
        return status.code ? status : validate(cli, &file, object, ret, &error);
}
