/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "internal.h"

#define FRAGMENTS_FILE "fragments.json"
#define TEMPLATE_BYTES_MAX (1u << 20)
#define TEMPLATES_MAX 256u

struct TemplateSet {
        Template **templates; /* owned, sorted by name */
        size_t n;
        json_object *fragments; /* name to array; owned */
};

TemplateSet *template_set_free(TemplateSet *set)
{
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n; i++)
                template_free(set->templates[i]);
        free(set->templates);
        json_object_put(set->fragments);
        free(set);
        return NULL;
}

static size_t position(const TemplateSet *set, const char *name)
{
        size_t i = 0;

        while (i < set->n && strcmp(set->templates[i]->name, name) < 0)
                i++;
        return i;
}

/* Takes template; one of the same name is replaced. */
static int set_add(TemplateSet *set, Template *template)
{
        size_t i = position(set, template->name);
        Template **grown;

        if (i < set->n && strcmp(set->templates[i]->name, template->name) == 0) {
                template_free(set->templates[i]);
                set->templates[i] = template;
                return 0;
        }
        grown = set->n < TEMPLATES_MAX ? reallocarray(set->templates, set->n + 1, sizeof(*grown))
                                       : NULL;
        if (!grown) {
                template_free(template);
                return -ENOMEM;
        }
        memmove(grown + i + 1, grown + i, (set->n - i) * sizeof(*grown));
        grown[i] = template;
        set->templates = grown;
        set->n++;
        return 0;
}

static int add_fragments(TemplateSet *set, const char *origin, const char *text, size_t size,
                         CvmError *error)
{
        _cleanup_json_ json_object *fragments = NULL;
        JsonParseError where;
        int r = json_parse(text, size, &fragments, &where);

        if (r == -EBADMSG)
                return cvm_error_template(error, "fragments", "%s:%u:%u: no valid JSON: %s", origin,
                                          where.line, where.column, where.reason);
        if (r < 0)
                return cvm_error_system(error, r, "read %s", origin);
        if (!json_object_is_type(fragments, json_type_object))
                return cvm_error_template(error, "fragments", "%s: must be an object", origin);
        json_object_object_foreach (fragments, name, value) {
                if (!json_object_is_type(value, json_type_array))
                        return cvm_error_template(error, "fragments",
                                                  "%s:%u: %s: must be an array of arguments",
                                                  origin, json_locate(text, size, name), name);
                json_object_object_add(set->fragments, name, json_object_get(value));
        }
        return 0;
}

/* file: "plain.json"; origin: for messages. */
static int add_file(TemplateSet *set, const char *file, const char *origin, const char *text,
                    size_t size, CvmError *error)
{
        _cleanup_free_ char *name = strndup(file, strlen(file) - strlen(".json"));
        Template *template = NULL;
        int r;

        if (!name)
                return cvm_error_system(error, -ENOMEM, "read %s", origin);
        if (strcmp(file, FRAGMENTS_FILE) == 0)
                return add_fragments(set, origin, text, size, error);
        r = template_parse(name, origin, text, size, &template, error);
        if (r == 0 && (r = set_add(set, template)) < 0)
                cvm_error_system(error, r, "keep template %s", name);
        return r;
}

static bool is_json_file(const char *name)
{
        size_t length = strlen(name);

        return name[0] != '.' && length > 5 && strcmp(name + length - 5, ".json") == 0;
}

static int load_directory(TemplateSet *set, const char *directory, CvmError *error)
{
        struct dirent *entry;
        DIR *dir = opendir(directory);
        int r = 0;

        if (!dir)
                return errno == ENOENT
                               ? 0
                               : cvm_error_system(error, -errno, "open directory %s", directory);
        while (r == 0 && (entry = readdir(dir))) {
                _cleanup_free_ char *path = NULL, *text = NULL;
                size_t size;

                if (!is_json_file(entry->d_name))
                        continue;
                if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0) {
                        r = cvm_error_system(error, -ENOMEM, "read templates");
                        break;
                }
                r = file_read_at(AT_FDCWD, path, TEMPLATE_BYTES_MAX, &text, &size);
                if (r < 0)
                        cvm_error_system(error, r, "read template %s", path);
                else
                        r = add_file(set, entry->d_name, path, text, size, error);
        }
        closedir(dir);
        return r;
}

int template_set_load(const char *directory, TemplateSet **ret, CvmError *error)
{
        _cleanup_(template_set_freep) TemplateSet *set = calloc(1, sizeof(*set));
        int r = 0;

        if (!set || !(set->fragments = json_object_new_object()))
                return cvm_error_system(error, -ENOMEM, "read templates");
        for (const BuiltinTemplate *b = builtin_templates; r == 0 && b->file; b++)
                r = add_file(set, b->file, "built-in", b->text, strlen(b->text), error);
        if (r == 0 && directory)
                r = load_directory(set, directory, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(set);
        return 0;
}

TemplateSet *template_set_new_single(Template *template, json_object *fragments)
{
        TemplateSet *set = calloc(1, sizeof(*set));

        if (!set || set_add(set, template) < 0) {
                free(set);
                json_object_put(fragments);
                return NULL;
        }
        set->fragments = fragments;
        return set;
}

json_object *template_set_fragment(const TemplateSet *set, const char *name)
{
        return json_member(set->fragments, name);
}

const Template *template_set_find(const TemplateSet *set, const char *name)
{
        size_t i = position(set, name);

        return i < set->n && strcmp(set->templates[i]->name, name) == 0 ? set->templates[i] : NULL;
}

size_t template_set_size(const TemplateSet *set)
{
        return set->n;
}

const Template *template_set_get(const TemplateSet *set, size_t index)
{
        return set->templates[index];
}
