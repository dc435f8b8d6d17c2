/* SPDX-License-Identifier: Apache-2.0 */
#include "spec_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_place.h"
#include "base/text.h"
#include "fail.h"

void spec_file_done(SpecFile *file)
{
        buffer_done(&file->text);
        yaml_json_done(&file->yaml);
        json_object_put(file->members);
        json_object_put(file->below);
        json_object_put(file->given);
        *file = (SpecFile){};
}

/* Reads the bytes of the file. */
static ExitStatus spec_file_load(const Cli *cli, size_t max, SpecFile *file)
{
        char *data = NULL;
        size_t size;
        int r;

        if (strcmp(file->path, "-") == 0) {
                file->path = "standard input";
                r = fd_read_all(STDIN_FILENO, max, &data, &size);
        } else {
                r = file_read_at(AT_FDCWD, file->path, max, &data, &size);
        }
        if (r < 0)
                return fail_file_error(cli, file->path, r, "cannot read the spec");
        file->text = (Buffer){.data = data, .size = size, .allocated = size};
        return EXIT_OK;
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

typedef enum SpecSyntax {
        SYNTAX_JSON, /* or nothing that is known */
        SYNTAX_YAML,
        SYNTAX_TOML,
} SpecSyntax;

/* What a text looks like by the first line that says something. */
static SpecSyntax spec_file_look(const char *text, size_t size)
{
        for (const char *end; size > 0; size -= (size_t)(end - text), text = end) {
                const char *line_end = memchr(text, '\n', size);
                size_t length = line_end ? (size_t)(line_end - text) : size;

                end = text + length + (line_end != NULL);
                if (length == 0 || memchr("#\r", text[0], 2))
                        continue;
                if (has_key(text, length, ':') || (length >= 3 && memcmp(text, "---", 3) == 0) ||
                    (length >= 5 && memcmp(text, "%YAML", 5) == 0))
                        return SYNTAX_YAML;
                if (has_key(text, length, '='))
                        return SYNTAX_TOML;
                break;
        }
        return SYNTAX_JSON;
}

static bool spec_file_is_yaml(const SpecFile *file)
{
        if (text_has_suffix(file->path, ".json"))
                return false;
        return text_has_suffix(file->path, ".yaml") || text_has_suffix(file->path, ".yml") ||
               spec_file_look(file->text.data, file->text.size) == SYNTAX_YAML;
}

static ExitStatus spec_file_parse_json(const Cli *cli, SpecFile *file, json_object **ret)
{
        static const char *const hints[] = {
                [SYNTAX_JSON] = "",
                [SYNTAX_YAML] = "; it looks like YAML: name the file .yaml",
                [SYNTAX_TOML] = "; it looks like TOML: a spec is JSON or YAML, see cvm-spec(5)",
        };
        JsonParseError where;
        int r = json_parse(file->text.data, file->text.size, ret, &where);

        if (r == -ENOMEM)
                return fail_memory(cli);
        return r < 0 ? fail_json(cli, file->path, &where,
                                 hints[spec_file_look(file->text.data, file->text.size)])
                     : EXIT_OK;
}

/* The text becomes that of the same value in JSON. */
static ExitStatus spec_file_parse_yaml(const Cli *cli, SpecFile *file, json_object **ret)
{
        JsonParseError where;
        int r = yaml_json_new(file->text.data, file->text.size, &file->yaml, &where);

        if (r == 0) {
                buffer_done(&file->text);
                file->text = TAKE_STRUCT(file->yaml.text);
                r = json_parse(file->text.data, file->text.size, ret, &where);
                if (r < 0) {
                        YamlPlace place = yaml_json_place(&file->yaml, where.line);

                        where.line = place.line;
                        where.column = place.column;
                }
        }
        if (r == -ENOMEM)
                return fail_memory(cli);
        return r < 0 ? fail_place(cli, file->path, where.line, where.column, "%s", where.reason)
                     : EXIT_OK;
}

/* From a place in the text, which may be that made from YAML, to the place in the file. */
static YamlPlace spec_file_place(const SpecFile *file, unsigned line, unsigned column)
{
        return file->yaml.n_places > 0 ? yaml_json_place(&file->yaml, line)
                                       : (YamlPlace){line, column};
}

static ExitStatus spec_file_fail_type(const Cli *cli, const SpecFile *file)
{
        JsonMember value = {.path = ""};
        YamlPlace place;

        json_place_members(file->text.data, file->text.size, &value, 1);
        place = spec_file_place(file, value.line, value.column);
        return fail_place(cli, file->path, place.line, place.column, "a spec must be an object");
}

ExitStatus spec_file_read(const Cli *cli, size_t max, SpecFile *file, json_object **ret)
{
        _cleanup_json_ json_object *object = NULL;
        ExitStatus status = spec_file_load(cli, max, file);

        if (!status.code)
                status = spec_file_is_yaml(file) ? spec_file_parse_yaml(cli, file, &object)
                                                 : spec_file_parse_json(cli, file, &object);
        if (status.code)
                return status;
        if (!json_object_is_type(object, json_type_object))
                return spec_file_fail_type(cli, file);
        *ret = TAKE_PTR(object);
        return EXIT_OK;
}

/* A new object or array with the same values, or NULL for anything else. */
static json_object *copy_members(json_object *value)
{
        json_object *copy = NULL;

        if (json_object_is_type(value, json_type_object)) {
                copy = json_object_new_object();
                json_object_object_foreach (value, key, member) {
                        json_object_object_add(copy, key, json_object_get(member));
                }
        } else if (json_object_is_type(value, json_type_array)) {
                copy = json_object_new_array();
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        json_object_array_add(copy,
                                              json_object_get(json_object_array_get_idx(value, i)));
        }
        return copy;
}

void spec_file_remember(SpecFile *file, json_object *spec)
{
        file->members = copy_members(spec);
        file->below = json_object_new_object();
        json_object_object_foreach (spec, key, value) {
                json_object *copy = copy_members(value);

                if (copy)
                        json_object_object_add(file->below, key, copy);
        }
}

/* Notes a path, which it takes. */
static void note_given(SpecFile *file, char *path)
{
        if (path)
                json_object_array_add(file->given, json_new_text(path));
        free(path);
}

static void compare_below(SpecFile *file, const char *key, json_object *value)
{
        json_object *before = json_member(file->below, key);

        if (json_object_is_type(value, json_type_object)) {
                json_object_object_foreach (value, name, member) {
                        if (json_member(before, name) != member)
                                note_given(file, text_format("%s.%s", key, name));
                }
        } else if (json_object_is_type(value, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        if (json_object_array_get_idx(before, i) !=
                            json_object_array_get_idx(value, i))
                                note_given(file, text_format("%s[%zu]", key, i));
        }
}

void spec_file_compare(SpecFile *file, json_object *spec)
{
        file->given = json_object_new_array();
        json_object_object_foreach (spec, key, value) {
                if (json_member(file->members, key) != value)
                        note_given(file, strdup(key));
                else
                        compare_below(file, key, value);
        }
        json_object_put(TAKE_PTR(file->members));
        json_object_put(TAKE_PTR(file->below));
}

static bool spec_file_is_given(const SpecFile *file, const char *field)
{
        size_t n = file->given ? json_object_array_length(file->given) : 0;

        for (size_t i = 0; i < n; i++) {
                const char *path =
                        json_object_get_string(json_object_array_get_idx(file->given, i));
                size_t length = strlen(path);

                if (strncmp(field, path, length) == 0 && strchr(".[", field[length]))
                        return true;
        }
        return false;
}

/* The path of a fault in the file; "" if it cannot have one. parent: of the object that a member
 * is missing in. Newly allocated. */
static char *path_of(const SpecFile *file, json_object *fault, bool parent)
{
        const char *field = json_member_string(fault, "field") ?: "", *dot = strrchr(field, '.');

        if (json_member(fault, "line") || spec_file_is_given(file, field) || (parent && !dot))
                return strdup("");
        return parent ? strndup(field, (size_t)(dot - field)) : strdup(field);
}

/* Gives line and column to each fault whose field is in the file, or whose parent is. */
static void place_faults(const SpecFile *file, json_object *faults, bool parent)
{
        size_t n = json_object_array_length(faults);
        JsonMember members[JSON_PLACE_MAX] = {};
        char *paths[JSON_PLACE_MAX] = {};

        if (n > JSON_PLACE_MAX)
                n = JSON_PLACE_MAX;
        for (size_t i = 0; i < n; i++) {
                paths[i] = path_of(file, json_object_array_get_idx(faults, i), parent);
                members[i].path = paths[i] ?: "";
        }
        json_place_members(file->text.data, file->text.size, members, n);
        for (size_t i = 0; i < n; i++) {
                json_object *fault = json_object_array_get_idx(faults, i);

                if (*members[i].path && members[i].line) {
                        YamlPlace place = spec_file_place(file, members[i].line, members[i].column);

                        json_object_object_add(fault, "line", json_object_new_int64(place.line));
                        json_object_object_add(fault, "column",
                                               json_object_new_int64(place.column));
                }
                free(paths[i]);
        }
}

/* What has no place in the file comes last. */
static int compare_places(const void *a, const void *b)
{
        json_object *const *one = a, *const *other = b;
        int64_t lines[] = {json_member_int(*one, "line", INT64_MAX),
                           json_member_int(*other, "line", INT64_MAX)};
        int64_t columns[] = {json_member_int(*one, "column", 0),
                             json_member_int(*other, "column", 0)};

        if (lines[0] != lines[1])
                return lines[0] < lines[1] ? -1 : 1;
        return columns[0] < columns[1] ? -1 : columns[0] > columns[1];
}

/* The faults of an InvalidSpec: version 0.1.0 of the daemon sends one, without a list. Borrowed. */
static json_object *faults_of(CvmError *error)
{
        json_object *faults = json_member(error->fields, "errors"), *fault;

        if (json_object_is_type(faults, json_type_array) && json_object_array_length(faults) > 0)
                return faults;
        fault = json_build("field", json_object_get(json_member(error->fields, "field")), "reason",
                           json_object_get(json_member(error->fields, "reason")), NULL);
        faults = json_object_new_array();
        json_object_array_add(faults, fault);
        json_object_object_add(error->fields, "errors", faults);
        return faults;
}

ExitStatus spec_file_fail(const Cli *cli, const SpecFile *file, CvmError *error)
{
        json_object *faults;

        if (error->id != CVM_ERROR_INVALID_SPEC)
                return fail_error(cli, error, NULL);
        faults = faults_of(error);
        if (file->text.data) {
                place_faults(file, faults, false);
                place_faults(file, faults, true);
                json_object_array_sort(faults, compare_places);
                json_object_object_add(error->fields, "file", json_new_text(file->path));
        }
        return fail_faults(cli, error, file->path);
}
