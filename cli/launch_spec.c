/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_spec.h"

#include <ctype.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "fail.h"

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
        json_object_put(spec->object);
        json_object_put(spec->paths);
        *spec = (LaunchSpec){};
}

static int launch_spec_read_file(const Arguments *arguments, SpecFile *file)
{
        int r;

        if (strcmp(file->path, "-") == 0) {
                file->path = "standard input";
                r = fd_read_all(STDIN_FILENO, LAUNCH_SPEC_BYTES_MAX, &file->text, &file->size);
        } else {
                r = file_read_at(AT_FDCWD, file->path, LAUNCH_SPEC_BYTES_MAX, &file->text,
                                 &file->size);
        }
        return r < 0 ? fail_file_error(arguments, file->path, r, "cannot read the spec") : 0;
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

static int load_file(const Arguments *arguments, SpecFile *file, json_object **ret)
{
        _cleanup_free_ char *copy = strdup(file->path);
        _cleanup_json_ json_object *object = NULL;
        bool is_stdin = strcmp(file->path, "-") == 0;
        JsonParseError where;
        const char *name;
        int r;

        if (!copy)
                return fail_memory(arguments);
        r = launch_spec_read_file(arguments, file);
        if (r != 0)
                return r;
        r = json_parse(file->text, file->size, &object, &where);
        if (r == -ENOMEM)
                return fail_memory(arguments);
        if (r < 0)
                return fail_file(arguments, file->path, where.line,
                                 "not valid JSON (column %u): %s%s", where.column, where.reason,
                                 other_syntax(file->text, file->size));
        if (!json_object_is_type(object, json_type_object))
                return fail_file(arguments, file->path, 1, "a spec must be a JSON object");
        r = launch_files_resolve(arguments, object, file->path, is_stdin ? "." : dirname(copy));
        if (r != 0)
                return r;
        name = json_member_string(object, "name");
        if (name) {
                file->name = strdup(name);
                if (!file->name)
                        return fail_memory(arguments);
        }
        *ret = TAKE_PTR(object);
        return 0;
}

static int apply_name(const Arguments *arguments, bool render, json_object *object)
{
        const char *given = arguments_operand(arguments, 0);

        if (given)
                json_object_object_add(object, "name", json_new_text(given));
        else if (!json_member(object, "name") && render)
                json_object_object_add(object, "name", json_new_text("cvm"));
        else if (!json_member(object, "name"))
                return fail_usage(arguments, "%s needs a NAME, or a --file that has one",
                                  arguments->verb->name);
        return 0;
}

/* The spec's own check, here already: quick, and it can name the file's line. */
static int validate(const Arguments *arguments, const SpecFile *file, json_object *object,
                    CvmSpec **ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *where = NULL;
        const char *field;
        unsigned line = 0;

        if (spec_parse(object, ret, &error) >= 0)
                return 0;
        field = json_member_string(error.fields, "field");
        if (file->text && field)
                line = json_locate(file->text, file->size, field);
        if (line && asprintf(&where, "%s:%u", file->path, line) < 0)
                return fail_memory(arguments);
        return fail_error(arguments, &error, where);
}

static int launch_spec_check(const Arguments *arguments, const SpecFile *file, json_object *object)
{
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        return validate(arguments, file, object, &spec);
}

static int check_size(const Arguments *arguments, json_object *object)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (strlen(json_text(object)) <= LAUNCH_SPEC_BYTES_MAX)
                return 0;
        cvm_error_invalid_spec(&error, "certs",
                               "over %u MiB with the environment; give large files by path",
                               LAUNCH_SPEC_BYTES_MAX >> 20);
        return fail_error(arguments, &error, NULL);
}

int launch_spec_build(const Arguments *arguments, const char *path, bool render, LaunchSpec *ret)
{
        _cleanup_(launch_spec_done) LaunchSpec spec = {.paths = json_object_new_object()};
        _cleanup_(spec_file_done) SpecFile file = {.path = path};
        int r;

        if (file.path)
                r = load_file(arguments, &file, &spec.object);
        else
                r = (spec.object = json_object_new_object()) ? 0 : fail_memory(arguments);
        if (r == 0)
                r = apply_name(arguments, render, spec.object);
        if (r == 0)
                r = launch_flags_apply(arguments, spec.object);
        if (r == 0)
                r = launch_credentials_resolve(arguments, render, spec.object);
        if (r == 0)
                r = launch_spec_check(arguments, &file, spec.object);
        if (r == 0)
                r = launch_files_open(arguments, render, &spec);
        if (r != 0)
                return r;
        r = check_size(arguments, spec.object);
        if (r != 0)
                return r;
        *ret = spec;
        spec = (LaunchSpec){};
        return 0;
}

int launch_spec_read(const Arguments *arguments, const char *path, CvmSpec **ret)
{
        _cleanup_(spec_file_done) SpecFile file = {.path = path};
        _cleanup_json_ json_object *object = NULL;
        int r;

        r = load_file(arguments, &file, &object);
        if (r == 0 && !json_member(object, "name"))
                json_object_object_add(object, "name", json_new_text("cvm"));
        if (r == 0)
                r = launch_credentials_resolve(arguments, true, object);
        return r ?: validate(arguments, &file, object, ret);
}
