/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

void json_add(json_object *object, const char *key, json_object *value)
{
        json_object_object_add_ex(object, key, value,
                                  JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

json_object *json_build(const char *key, ...)
{
        json_object *object = json_object_new_object();
        va_list ap;

        va_start(ap, key);
        for (; key; key = va_arg(ap, const char *)) {
                json_object *value = va_arg(ap, json_object *);

                if (value)
                        json_add(object, key, value);
        }
        va_end(ap);
        return object;
}

json_object *json_new_text(const char *s)
{
        _cleanup_free_ char *valid = text_make_utf8(s, strlen(s));

        return json_object_new_string(valid ?: "");
}

json_object *json_new_written(const char *text)
{
        _cleanup_free_ char *copy = strdup(text);
        json_object *object = copy ? json_object_new_object() : NULL;

        if (object)
                json_object_set_serializer(object, json_object_userdata_to_json_string,
                                           TAKE_PTR(copy), json_object_free_userdata);
        return object;
}

const char *json_text(json_object *object)
{
        return json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE);
}

json_object *json_member(json_object *object, const char *key)
{
        json_object *value = NULL;

        json_object_object_get_ex(object, key, &value);
        return value;
}

const char *json_member_string(json_object *object, const char *key)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

int64_t json_member_int(json_object *object, const char *key, int64_t fallback)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : fallback;
}

bool json_member_bool(json_object *object, const char *key, bool fallback)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
                                                             : fallback;
}

static const char *json_kind_name(JsonKind kind)
{
        static const char *const names[] = {
                [JSON_BOOL] = "must be true or false",
                [JSON_INT] = "must be an integer",
                [JSON_UINT32] = "must be an integer from 0 to 4294967295",
                [JSON_STRING] = "must be a string",
                [JSON_OBJECT] = "must be an object",
                [JSON_ARRAY] = "must be an array",
                [JSON_MAP] = "must be an object of strings",
        };
        return names[kind];
}

/* Stores one value; returns false if it is of another type or out of its range. */
static bool store(json_object *value, const JsonField *field, void *target)
{
        void *where = (char *)target + field->offset;
        int64_t number;
        char *copy;

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
        case JSON_STRING:
                if (!json_object_is_type(value, json_type_string))
                        return false;
                copy = strdup(json_object_get_string(value));
                if (!copy)
                        return false;
                free(*(char **)where);
                *(char **)where = copy;
                return true;
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

        if (asprintf(&path, "%s%s%s", prefix, *prefix ? "." : "", name) < 0)
                return -ENOMEM;
        return refuse(userdata, path, reason);
}

int json_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  JsonRefuse refuse, void *userdata)
{
        if (!json_object_is_type(object, json_type_object))
                return refuse(userdata, prefix, "must be an object");

        json_object_object_foreach (object, key, ignored) {
                const JsonField *field = fields;

                (void)ignored;
                while (field->name && strcmp(field->name, key) != 0)
                        field++;
                if (!field->name)
                        return refuse_field(prefix, key, "unknown field", refuse, userdata);
        }

        for (const JsonField *field = fields; field->name; field++) {
                json_object *value = json_member(object, field->name);
                char range[96];

                if (!value) {
                        if (field->flags & JSON_REQUIRED)
                                return refuse_field(prefix, field->name, "is missing", refuse,
                                                    userdata);
                        continue;
                }
                if (store(value, field, target))
                        continue;
                if (field->kind <= JSON_UINT32 && (field->min || field->max)) {
                        snprintf(range, sizeof(range),
                                 "must be an integer from %" PRId64 " to %" PRId64, field->min,
                                 field->max);
                        return refuse_field(prefix, field->name, range, refuse, userdata);
                }
                return refuse_field(prefix, field->name, json_kind_name(field->kind), refuse,
                                    userdata);
        }
        return 0;
}
