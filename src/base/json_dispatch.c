/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_dispatch.h"

#include <stdio.h>
#include <string.h>

#include "base/json_access.h"
#include "base/text.h"

const char json_unknown_field[] = "unknown field";

static const char *json_kind_name(JsonKind kind)
{
        static const char *const names[] = {
                [JSON_BOOL] = "must be true or false",
                [JSON_INT] = "must be an integer",
                [JSON_UINT32] = "must be an integer from 0 to 4294967295",
                [JSON_STRING] = "must be a string",
                [JSON_SIZE] = "must be a size: a string such as '2G', or a number of bytes",
                [JSON_OBJECT] = "must be an object",
                [JSON_ARRAY] = "must be an array",
                [JSON_MAP] = "must be an object of strings",
        };
        return names[kind];
}

static bool store_text(json_object *value, char **where)
{
        char *copy = strdup(json_object_get_string(value));

        if (!copy)
                return false;
        free(*where);
        *where = copy;
        return true;
}

/* Stores one value; returns false if it is of another type or out of its range. */
static bool json_dispatch_store(json_object *value, const JsonField *field, void *target)
{
        void *where = (char *)target + field->offset;
        int64_t number;

        switch (field->kind) {
        case JSON_BOOL:
                if (!json_object_is_type(value, json_type_boolean))
                        return false;
                *(bool *)where = json_object_get_boolean(value);
                return true;
        case JSON_INT:
        case JSON_UINT32:
                if (!json_object_is_type(value, json_type_int))
                        return false;
                number = json_object_get_int64(value);
                /* beyond int64_t json-c would clamp silently */
                if (json_object_get_uint64(value) > INT64_MAX && number > 0)
                        return false;
                if ((field->min || field->max) && (number < field->min || number > field->max))
                        return false;
                if (field->kind == JSON_INT) {
                        *(int64_t *)where = number;
                } else {
                        if (number < 0 || number > UINT32_MAX)
                                return false;
                        *(uint32_t *)where = (uint32_t)number;
                }
                return true;
        case JSON_SIZE:
                if (json_object_is_type(value, json_type_int)) {
                        if (json_object_get_int64(value) < 0 ||
                            json_object_get_uint64(value) > INT64_MAX)
                                return false;
                } else if (!json_object_is_type(value, json_type_string)) {
                        return false;
                }
                return store_text(value, where);
        case JSON_STRING:
                return json_object_is_type(value, json_type_string) && store_text(value, where);
        case JSON_OBJECT:
        case JSON_MAP:
                if (!json_object_is_type(value, json_type_object))
                        return false;
                if (field->kind == JSON_MAP) {
                        json_object_object_foreach (value, key, member) {
                                (void)key;
                                if (!json_object_is_type(member, json_type_string))
                                        return false;
                        }
                }
                *(json_object **)where = value;
                return true;
        case JSON_ARRAY:
                if (!json_object_is_type(value, json_type_array))
                        return false;
                *(json_object **)where = value;
                return true;
        }
        return false;
}

static int refuse_field(const char *prefix, const char *name, const char *reason, JsonRefuse refuse,
                        void *userdata)
{
        _cleanup_free_ char *path = NULL;

        path = text_format("%s%s%s", prefix, *prefix ? "." : "", name);
        if (!path)
                return -ENOMEM;
        return refuse(userdata, path, reason);
}

static int json_dispatch_unknown(json_object *object, const JsonField *fields, const char *prefix,
                                 JsonRefuse refuse, void *userdata)
{
        json_object_object_foreach (object, key, ignored) {
                const JsonField *field = fields;
                int r;

                (void)ignored;
                while (field->name && strcmp(field->name, key) != 0)
                        field++;
                r = field->name ? 0
                                : refuse_field(prefix, key, json_unknown_field, refuse, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int json_dispatch_refuse(const JsonField *field, const char *prefix, JsonRefuse refuse,
                                void *userdata)
{
        char range[96];

        if (field->kind > JSON_UINT32 || !(field->min || field->max))
                return refuse_field(prefix, field->name, json_kind_name(field->kind), refuse,
                                    userdata);
        snprintf(range, sizeof(range), "must be an integer from %" PRId64 " to %" PRId64,
                 field->min, field->max);
        return refuse_field(prefix, field->name, range, refuse, userdata);
}

int json_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  JsonRefuse refuse, void *userdata)
{
        int r;

        if (!json_object_is_type(object, json_type_object))
                return refuse(userdata, prefix, "must be an object");
        r = json_dispatch_unknown(object, fields, prefix, refuse, userdata);
        for (const JsonField *field = fields; r >= 0 && field->name; field++) {
                json_object *value = json_member(object, field->name);

                if (!value && field->flags & JSON_REQUIRED)
                        r = refuse_field(prefix, field->name, "is missing", refuse, userdata);
                else if (value && !json_dispatch_store(value, field, target))
                        r = json_dispatch_refuse(field, prefix, refuse, userdata);
        }
        return r < 0 ? r : 0;
}
