/* SPDX-License-Identifier: Apache-2.0 */

/* The spec of a call. One with certificates is large: base64 of 16 MiB, decoded and copied on the
 * loop, would delay every client. */

#include "api/api.h"

#include <string.h>

#include "local/request.h"

typedef struct ParsedSpec {
        CvmSpec *spec;
        char *name; /* of the CVM, also if the spec is refused; NULL: none, or not valid */
        json_object *digests; /* local/request.h; NULL: the call has no id */
        int result;           /* of spec_parse() and of these */
        CvmError error;
} ParsedSpec;

static char *copy_name(json_object *spec)
{
        const char *name = json_member_string(spec, "name");

        return name && spec_name_is_valid(name) ? strdup(name) : NULL;
}

void *api_spec_prepare(json_object *parameters)
{
        json_object *spec = json_member(parameters, "spec");
        ParsedSpec *parsed;

        if (!json_object_is_type(spec, json_type_object))
                return NULL; /* api_dispatch() refuses it */
        parsed = calloc(1, sizeof(*parsed));
        if (parsed)
                parsed->name = copy_name(spec);
        if (parsed)
                parsed->result = spec_parse(spec, &parsed->spec, &parsed->error);
        if (parsed && parsed->result == 0 && json_member(parameters, "id"))
                parsed->result = request_digest(spec, &parsed->digests);
        spec_clear_json(spec);
        return parsed;
}

void api_spec_free(void *data)
{
        ParsedSpec *parsed = data;

        spec_free(parsed->spec);
        free(parsed->name);
        json_clear_strings(parsed->digests);
        json_object_put(parsed->digests);
        cvm_error_done(&parsed->error);
        free(parsed);
}

int api_spec_take(WireCall *call, CvmSpec **ret, json_object **ret_digests, CvmError *error)
{
        ParsedSpec *parsed = wire_call_take_prepared(call);
        int r = parsed ? parsed->result : -ENOMEM;

        if (parsed)
                wire_call_concerns(call, parsed->name, NULL);
        if (r == 0) {
                *ret = TAKE_PTR(parsed->spec);
                if (ret_digests)
                        *ret_digests = TAKE_PTR(parsed->digests);
        } else if (parsed && cvm_error_is_set(&parsed->error)) {
                cvm_error_move(error, &parsed->error);
        } else {
                cvm_error_system(error, r, "parse the spec");
        }
        if (parsed)
                api_spec_free(parsed);
        return r;
}
