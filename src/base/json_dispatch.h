/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Takes an object apart by a table of its members, and refuses unknown members and values of
 * another type. */

#include <json-c/json.h>

#include "base/macros.h"

typedef enum JsonKind {
        JSON_BOOL,   /* bool */
        JSON_INT,    /* int64_t */
        JSON_UINT32, /* uint32_t, 0 to 4294967295 */
        JSON_STRING, /* char *, newly allocated, the old one freed */
        JSON_SIZE,   /* the same of a string, or of an integer from 0 that counts bytes */
        JSON_OBJECT, /* json_object *, borrowed */
        JSON_ARRAY,  /* json_object *, borrowed */
        JSON_MAP,    /* json_object *, borrowed: an object whose values are all strings */
} JsonKind;

typedef enum JsonFieldFlags {
        JSON_REQUIRED = 1 << 0,
} JsonFieldFlags;

/* A member, where its value goes in the target struct (absent or null leaves it as it was), and for
 * JSON_INT the range allowed (both 0: any). */
typedef struct JsonField {
        const char *name;
        JsonKind kind;
        size_t offset;
        unsigned flags;
        int64_t min, max;
} JsonField;

/* The reason of a member that the table does not have. */
extern const char json_unknown_field[];

/* Called with the member's path and the reason. If it returns 0, json_dispatch() continues with
 * the next member; else that is what json_dispatch() returns. */
typedef int (*JsonRefuse)(void *userdata, const char *path, const char *reason);

/* Takes `object` apart by `fields` (ended by {}) into `target`. `prefix` is put before member names
 * in refusals ("" for none). Returns 0, also after refusals that returned 0; the result of the
 * `refuse` that ended it; or -ENOMEM. A member that is refused leaves the target as it was. On
 * failure strings that were stored stay with the target. */
int json_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  JsonRefuse refuse, void *userdata);
