/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of the JSON form: their paths in refusals, and the checks that several of them share. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "spec/spec_internal.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

const char *spec_field(char buffer[static SPEC_FIELD_MAX], const char *prefix, const char *key)
{
        static const char ellipsis[] = "\xe2\x80\xa6";
        int n = snprintf(buffer, SPEC_FIELD_MAX, "%s%s%s", prefix,
                         *prefix && *key != '[' ? "." : "", key);

        if (n >= SPEC_FIELD_MAX) {
                size_t at = SPEC_FIELD_MAX - sizeof(ellipsis);

                while (at > 0 && ((unsigned char)buffer[at] & 0xc0) == 0x80)
                        at--; /* not within a UTF-8 sequence */
                memcpy(buffer + at, ellipsis, sizeof(ellipsis));
        }
        return buffer;
}

const char *spec_field_index(char buffer[static SPEC_FIELD_MAX], const char *name, size_t index)
{
        char key[32];

        snprintf(key, sizeof(key), "[%zu]", index);
        return spec_field(buffer, name, key);
}

/* An object that is being taken apart. */
typedef struct Object {
        const JsonField *fields;
        const char *prefix;
        CvmError *error;
} Object;

static int spec_field_refuse(void *userdata, const char *path, const char *reason)
{
        const Object *object = userdata;
        const char *key = path + strlen(object->prefix), *suggestion = NULL;
        char field[SPEC_FIELD_MAX];

        /* for what is not listed a suggestion would be a waste of time */
        if (reason == json_unknown_field && object->error->faults < FAULTS_MAX) {
                Suggestion best = suggest_begin(key + (*key == '.'));

                for (const JsonField *known = object->fields; known->name; known++)
                        suggest_candidate(&best, known->name);
                suggestion = best.found;
        }
        return fault_add_near(object->error, spec_field(field, "", *path ? path : "spec"),
                              suggestion, "%s", reason);
}

int spec_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  CvmError *error)
{
        return json_dispatch(object, fields, target, prefix, spec_field_refuse,
                             &(Object){fields, prefix, error});
}

int spec_choose(const char *text, const char *const *names, size_t n, int fallback,
                const char *prefix, const char *key, const char *reason, CvmError *error)
{
        char field[SPEC_FIELD_MAX];

        if (!text)
                return fallback;
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], text) == 0)
                        return (int)i;
        fault_add_near(error, spec_field(field, prefix, key), suggest_among(text, names, n), "%s",
                       reason);
        return -1;
}

bool spec_has_source(json_object *object)
{
        return !json_object_is_type(object, json_type_object) || json_member(object, "path") ||
               json_member(object, "fd");
}

void spec_check_path(const char *path, const char *field, CvmError *error)
{
        if (path[0] != '/')
                fault_add(error, field, "must be an absolute path");
        if (strlen(path) >= PATH_MAX)
                fault_add(error, field, "is longer than %d bytes", PATH_MAX - 1);
}

bool spec_name_is_valid(const char *name)
{
        size_t length = strlen(name);

        return length >= 1 && length <= SPEC_NAME_MAX &&
               strspn(name, LOWER UPPER DIGITS "._-") == length && !strchr("._-", name[0]) &&
               !strstr(name, "..");
}
