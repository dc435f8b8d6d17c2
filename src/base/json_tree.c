/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_tree.h"

#include <string.h>

#include "base/json_scan.h"

int json_tree_new(const char *data, size_t size, json_object **ret, size_t *ret_end,
                  const char **ret_reason)
{
        json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        json_object *object;
        enum json_tokener_error error;

        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
                                                JSON_TOKENER_ALLOW_TRAILING_CHARS);
        /* room for the longest string at once: growing would leave copies behind */
        printbuf_memset(tokener->pb, 0, 0, (int)size);
        object = json_tokener_parse_ex(tokener, data, (int)size);
        error = json_tokener_get_error(tokener);
        *ret_end = json_tokener_get_parse_end(tokener);
        if (error == json_tokener_continue && !object) {
                /* a bare number ends only at the end of the text */
                object = json_tokener_parse_ex(tokener, "", -1);
                error = json_tokener_get_error(tokener);
        }
        explicit_bzero(tokener->pb->buf, (size_t)tokener->pb->size); /* the last string */
        json_tokener_free(tokener);
        if (error != json_tokener_success) {
                json_object_put(object);
                *ret_reason = json_tokener_error_desc(error);
                return -EBADMSG;
        }
        *ret = object;
        return 0;
}
