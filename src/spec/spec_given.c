/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A spec as it was given, without its secrets: first for the CVM's record, where the values of env
 * and the contents of certs are empty; then for clients, who are also told what is not there.
 */

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "spec/spec_internal.h"

#define SIZE_TEXT_MAX 23 /* bytes of a size that is kept as it was written */

static json_object *given_copy(json_object *value)
{
        json_object *copy = NULL;

        return json_object_deep_copy(value, &copy, NULL) < 0 ? NULL : copy;
}

static json_object *given_env(json_object *env)
{
        json_object *names = json_object_new_object();

        json_object_object_foreach (env, name, value) {
                (void)value;
                json_object_object_add(names, name, json_object_new_string(""));
        }
        return names;
}

static json_object *given_certs(json_object *certs)
{
        json_object *names = json_object_new_object();

        json_object_object_foreach (certs, name, source) {
                bool by_value = json_member(source, "text") || json_member(source, "base64");

                /* copies: the strings of the call are cleared after it */
                json_object_object_add(
                        names, name,
                        by_value ? json_build("text", json_object_new_string(""), NULL)
                                 : given_copy(source));
        }
        return names;
}

/* A size keeps its writing, but not any number of leading zeros. */
static void given_size(json_object *object, const char *key, uint64_t size)
{
        json_object *value = json_member(object, key);
        char text[24];

        if (value && (!json_object_is_type(value, json_type_string) ||
                      json_object_get_string_len(value) > SIZE_TEXT_MAX))
                json_object_object_add(object, key, json_new_text(text_format_size(size, text)));
}

json_object *spec_given_new(json_object *object, const CvmSpec *spec)
{
        json_object *given = json_object_new_object(), *limits;

        json_object_object_foreach (object, key, value) {
                json_object *copy;

                if (!value || strcmp(key, "missing") == 0)
                        continue;
                if (strcmp(key, "env") == 0)
                        copy = given_env(value);
                else if (strcmp(key, "certs") == 0)
                        copy = given_certs(value);
                else if (strcmp(key, "labels") == 0 && spec->labels)
                        copy = json_object_get(spec->labels);
                else
                        copy = given_copy(value);
                if (!copy) {
                        json_object_put(given);
                        return NULL;
                }
                json_object_object_add(given, key, copy);
        }
        limits = json_member(given, "limits");
        given_size(given, "memory", spec->memory);
        given_size(limits, "memoryHigh", spec->limits.memory_high);
        given_size(limits, "memoryMax", spec->limits.memory_max);
        return given;
}

static void miss(json_object *missing, const char *prefix, const char *key)
{
        char field[SPEC_FIELD_MAX];

        json_object_array_add(missing, json_new_text(spec_field(field, prefix, key)));
}

static void show_env(json_object *spec, json_object *missing)
{
        json_object *env = json_member(spec, "env");

        if (!env)
                return;
        json_object_object_foreach (env, name, value) {
                (void)value;
                miss(missing, "env", name);
        }
        json_object_object_del(spec, "env");
}

static void show_certs(json_object *spec, json_object *missing)
{
        json_object *certs = json_member(spec, "certs");

        if (!certs)
                return;
        json_object_object_foreach (certs, name, source) {
                if (json_member(source, "path") && !json_member(source, "fd"))
                        continue;
                json_object_object_del(source, "text");
                json_object_object_del(source, "fd");
                miss(missing, "certs", name);
        }
}

/* A file that may have been sent as a descriptor: its path is what the client noted, else where
 * the daemon found it. Returns whether the daemon found it. */
static bool show_file(json_object *file, const char *field, json_object *paths,
                      json_object *missing)
{
        json_object *found = json_member(paths, field);

        if (!json_member(file, "fd"))
                return false;
        json_object_object_del(file, "fd");
        if (json_member(file, "path"))
                return false;
        if (found)
                json_object_object_add(file, "path", json_object_get(found));
        else
                miss(missing, field, "path");
        return true;
}

static void show_artifacts(json_object *spec, json_object *paths, json_object *digests,
                           json_object *missing)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = spec_artifact_kind_name(kind);
                json_object *file = json_member(spec, name), *digest = json_member(digests, name);

                if (show_file(file, name, paths, missing) && digest)
                        json_object_object_add(file, "sha256", json_object_get(digest));
        }
}

static void show_list(json_object *spec, const char *key, json_object *paths, json_object *missing)
{
        json_object *list = json_member(spec, key);
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                char field[SPEC_FIELD_MAX];

                show_file(json_object_array_get_idx(list, i), spec_field_index(field, key, i),
                          paths, missing);
        }
}

json_object *spec_given_show(json_object *given, json_object *paths, json_object *digests)
{
        json_object *spec = given_copy(given), *missing = json_object_new_array();

        if (!spec) {
                json_object_put(missing);
                return NULL;
        }
        show_artifacts(spec, paths, digests, missing);
        show_env(spec, missing);
        show_certs(spec, missing);
        show_list(spec, "shares", paths, missing);
        show_list(spec, "disks", paths, missing);
        if (json_object_array_length(missing))
                json_object_object_add(spec, "missing", missing);
        else
                json_object_put(missing);
        return spec;
}

static void given_note_path(json_object *file, json_object *path)
{
        if (!path || !json_member(file, "fd"))
                return;
        json_object_object_del(file, "fd");
        json_object_object_add(file, "path", json_object_get(path));
}

static void given_note_list(json_object *spec, const char *key, json_object *paths)
{
        json_object *list = json_member(spec, key);
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                char field[SPEC_FIELD_MAX];

                spec_field_index(field, key, i);
                given_note_path(json_object_array_get_idx(list, i), json_member(paths, field));
        }
}

json_object *spec_given_again(json_object *given, json_object *paths)
{
        json_object *spec = given_copy(given);

        for (SpecArtifactKind kind = 0; spec && kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = spec_artifact_kind_name(kind);

                given_note_path(json_member(spec, name), json_member(paths, name));
        }
        given_note_list(spec, "shares", paths);
        given_note_list(spec, "disks", paths);
        return spec;
}

/* Whether the spec has what a name in `missing` stands for. */
static bool has_field(json_object *spec, const char *field)
{
        const char *dot = strrchr(field, '.');
        _cleanup_free_ char *first = NULL;
        json_object *file;
        size_t index;
        char list[8];

        if (strncmp(field, "env.", 4) == 0)
                return json_member(json_member(spec, "env"), field + 4);
        if (strncmp(field, "certs.", 6) == 0) {
                file = json_member(json_member(spec, "certs"), field + 6);
                /* one of another type has a fault of its own, and json-c aborts for its length */
                return file && (!json_object_is_type(file, json_type_object) ||
                                json_object_object_length(file) > 0);
        }
        if (!dot || strcmp(dot, ".path") != 0)
                return json_member(spec, field);
        first = strndup(field, (size_t)(dot - field));
        file = first ? json_member(spec, first) : NULL;
        if (first && sscanf(first, "%7[a-z][%zu]", list, &index) == 2) {
                file = json_member(spec, list);
                file = json_object_is_type(file, json_type_array)
                               ? json_object_array_get_idx(file, index)
                               : NULL;
        }
        return json_member(file, "path") || json_member(file, "fd") || json_member(file, "name");
}

bool spec_is_missing(json_object *missing, const char *prefix, const char *key)
{
        size_t n = missing ? json_object_array_length(missing) : 0;
        char field[SPEC_FIELD_MAX];

        spec_field(field, *key ? prefix : "", *key ? key : prefix);
        for (size_t i = 0; i < n && i < SPEC_MISSING_MAX; i++) {
                json_object *item = json_object_array_get_idx(missing, i);

                if (json_object_is_type(item, json_type_string) &&
                    strcmp(json_object_get_string(item), field) == 0)
                        return true;
        }
        return false;
}

int spec_check_missing(json_object *object, json_object *array, CvmError *error)
{
        size_t n = array ? json_object_array_length(array) : 0;

        if (n > SPEC_MISSING_MAX)
                return fault_add(error, "missing", "has %zu entries; at most %d are allowed", n,
                                 SPEC_MISSING_MAX);
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                const char *name = json_object_get_string(item);
                char field[SPEC_FIELD_MAX];

                if (!json_object_is_type(item, json_type_string))
                        fault_add(error, spec_field_index(field, "missing", i), "must be a string");
                else if (!has_field(object, name))
                        fault_add(error, spec_field(field, "", name),
                                  "is missing: the CVM from which this spec was read had it, but "
                                  "it is not shown; add it (cvmctl: %s)",
                                  strncmp(name, "env.", 4) == 0     ? "--env-file"
                                  : strncmp(name, "certs.", 6) == 0 ? "--certs"
                                                                    : "an option or a path");
        }
        return 0;
}
