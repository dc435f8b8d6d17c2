/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_access.h"

#include <stdarg.h>
#include <string.h>

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

static int json_serialize_text(json_object *object, struct printbuf *to, int level, int flags)
{
        const char *text = json_object_get_userdata(object);

        return printbuf_memappend(to, text, (int)strlen(text));
}

static void json_free_text(json_object *object, void *text)
{
        free(text);
}

json_object *json_to_text(json_object *object, size_t *ret_length)
{
        _cleanup_json_ json_object *held = object;
        const char *written = object ? json_text(object) : NULL;
        _cleanup_free_ char *text = written ? strdup(written) : NULL;
        json_object *ret = text ? json_object_new_object() : NULL;

        if (!ret)
                return NULL;
        *ret_length = strlen(text);
        json_object_set_serializer(ret, json_serialize_text, TAKE_PTR(text), json_free_text);
        return ret;
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

void json_clear_strings(json_object *object)
{
        if (json_object_is_type(object, json_type_string)) {
                /* json-c lends out its own bytes */
                explicit_bzero((char *)json_object_get_string(object),
                               (size_t)json_object_get_string_len(object));
        } else if (json_object_is_type(object, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(object); i++)
                        json_clear_strings(json_object_array_get_idx(object, i));
        } else if (json_object_is_type(object, json_type_object)) {
                json_object_object_foreach (object, name, value) {
                        (void)name;
                        json_clear_strings(value);
                }
        }
}
