/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include <string.h>

#include "base/text.h"
#include "spec/spec_internal.h"

/* What systemd's reader unescapes within double quotes; before any other byte it keeps '\\'. */
static const char escaped[] = "\"\\`$";

static bool spec_env_name_is_valid(const char *name)
{
        static const char allowed[] =
                "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

        return *name && (*name < '0' || *name > '9') && strspn(name, allowed) == strlen(name);
}

/* The reason why the value cannot be a variable's, or NULL. */
static const char *value_fault(const char *value, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                if (value[i] == '\n' || value[i] == '\r')
                        return "contains a line break, but a value must be one line (use base64 "
                               "for arbitrary bytes; put a file in certs or in a share)";
                if (value[i] == 0)
                        return "contains a NUL character";
                if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
                        return "contains a control character other than tab";
        }
        return text_is_utf8(value, size) ? NULL : "is not valid UTF-8";
}

static int spec_env_compare(const void *a, const void *b)
{
        return strcmp(((const SpecEnv *)a)->name, ((const SpecEnv *)b)->name);
}

/* Adds one variable to spec->env, which has room for it, unless it is refused. */
static int parse_variable(const char *name, json_object *value, CvmSpec *spec, CvmError *error)
{
        SpecEnv *env = &spec->env[spec->n_env];
        char field[SPEC_FIELD_MAX];
        const char *fault;

        spec_field(field, "env", name);
        if (!spec_env_name_is_valid(name))
                fault_add(error, field,
                          "a variable's name must consist of letters, digits and '_' and must not "
                          "begin with a digit");
        if (!json_object_is_type(value, json_type_string))
                return fault_add(error, field, "must be a string");
        fault = value_fault(json_object_get_string(value),
                            (size_t)json_object_get_string_len(value));
        if (fault)
                return fault_add(error, field, "%s", fault);
        spec->n_env++;
        env->name = strdup(name);
        env->value = strdup(json_object_get_string(value));
        return env->name && env->value ? 0 : -ENOMEM;
}

int spec_parse_env(json_object *object, CvmSpec *spec, CvmError *error)
{
        size_t n = object ? (size_t)json_object_object_length(object) : 0, bytes = 0, names = 0;

        if (n == 0)
                return 0;
        if (n > SPEC_ENV_MAX)
                return fault_add(error, "env", "has %zu variables; at most %d are allowed", n,
                                 SPEC_ENV_MAX);
        json_object_object_foreach (object, key, text) {
                names += strlen(key);
                if (json_object_is_type(text, json_type_string))
                        bytes += (size_t)json_object_get_string_len(text);
        }
        if (names > SPEC_ENV_NAMES_BYTES_MAX) /* they are kept with the CVM */
                return fault_add(error, "env", "names exceed %u bytes", SPEC_ENV_NAMES_BYTES_MAX);
        if (names + bytes > SPEC_ENV_BYTES_MAX)
                return fault_add(error, "env", "names and values exceed %u bytes",
                                 SPEC_ENV_BYTES_MAX);
        spec->env = calloc(n, sizeof(*spec->env));
        if (!spec->env)
                return -ENOMEM;
        json_object_object_foreach (object, name, value) {
                int r = parse_variable(name, value, spec, error);

                if (r < 0)
                        return r;
        }
        qsort(spec->env, spec->n_env, sizeof(*spec->env), spec_env_compare);
        return 0;
}

int spec_environment_file(const CvmSpec *spec, char **ret, size_t *ret_size)
{
        size_t size = 0;
        char *text, *out;

        /* one allocation of the exact size: a growing buffer would leave copies of
         * secrets behind */
        for (size_t i = 0; i < spec->n_env; i++) {
                size += strlen(spec->env[i].name) + strlen(spec->env[i].value) + strlen("=\"\"\n");
                for (const char *p = spec->env[i].value; *p; p++)
                        size += strchr(escaped, *p) != NULL;
        }
        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;

        out = text;
        for (size_t i = 0; i < spec->n_env; i++) {
                out = stpcpy(out, spec->env[i].name);
                out = stpcpy(out, "=\"");
                for (const char *p = spec->env[i].value; *p; p++) {
                        if (strchr(escaped, *p))
                                *out++ = '\\';
                        *out++ = *p;
                }
                out = stpcpy(out, "\"\n");
        }
        *out = 0;
        *ret = text;
        *ret_size = size;
        return 0;
}
