/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

static int refuse(char **ret_reason, const char *reason)
{
        *ret_reason = strdup(reason);
        return -EBADMSG;
}

static int request_nonce(json_object *value, Request *request, char **ret_reason)
{
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        if (!json_object_is_type(value, json_type_string))
                return refuse(ret_reason, "nonce: must be a string");
        if (text_unbase64(json_object_get_string(value), &data, &size) < 0)
                return refuse(ret_reason, "nonce: must be base64");
        if (size < 1 || size > sizeof(request->nonce))
                return refuse(ret_reason, "nonce: must be 1 to 64 bytes");
        memcpy(request->nonce, data, size);
        request->has_nonce = true;
        return 0;
}

static int request_proof(json_object *value, Request *request, char **ret_reason)
{
        if (!json_object_is_type(value, json_type_string) ||
            text_unhex(json_object_get_string(value), request->proof, sizeof(request->proof)) < 0)
                return refuse(ret_reason, "proof: must be 64 hex digits");
        request->has_proof = true;
        return 0;
}

int request_parse(const char *line, size_t size, Request *ret, char **ret_reason)
{
        _cleanup_json_ json_object *object = NULL;
        Request request = {};
        JsonParseError where = {};

        *ret_reason = NULL;
        if (json_parse(line, size, &object, &where) < 0) {
                if (asprintf(ret_reason, "not valid JSON (column %u): %s", where.column,
                             where.reason) < 0)
                        *ret_reason = NULL;
                return -EBADMSG;
        }
        if (!json_object_is_type(object, json_type_object))
                return refuse(ret_reason, "must be a JSON object");
        json_object_object_foreach (object, key, value) {
                bool is_proof = strcmp(key, "proof") == 0;
                int r;

                if (!is_proof && strcmp(key, "nonce") != 0)
                        return refuse(ret_reason, "has an unknown member");
                if (!value)
                        continue;
                r = is_proof ? request_proof(value, &request, ret_reason)
                             : request_nonce(value, &request, ret_reason);
                if (r < 0)
                        return r;
        }
        if (request.has_proof && !request.has_nonce)
                return refuse(ret_reason, "proof: requires a nonce");
        *ret = request;
        return 0;
}
