/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of the JSON form: their paths in refusals, and the checks that several of them share. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

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

static int spec_field_refuse(void *userdata, const char *path, const char *reason)
{
        char field[SPEC_FIELD_MAX];

        return cvm_error_invalid_spec(userdata, spec_field(field, "", *path ? path : "spec"), "%s",
                                      reason);
}

int spec_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  CvmError *error)
{
        return json_dispatch(object, fields, target, prefix, spec_field_refuse, error);
}

int spec_check_path(const char *path, const char *field, CvmError *error)
{
        if (path[0] != '/')
                return cvm_error_invalid_spec(error, field, "must be an absolute path");
        if (strlen(path) >= PATH_MAX)
                return cvm_error_invalid_spec(error, field, "is longer than %d bytes",
                                              PATH_MAX - 1);
        return 0;
}

bool spec_name_is_valid(const char *name)
{
        size_t length = strlen(name);

        return length >= 1 && length <= SPEC_NAME_MAX &&
               strspn(name, LOWER UPPER DIGITS "._-") == length && !strchr("._-", name[0]) &&
               !strstr(name, "..");
}
