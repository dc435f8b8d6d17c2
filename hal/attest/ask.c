/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

static int ask_refuse(AskRefusal *refusal, const char *field, const char *message)
{
        refusal->field = field;
        text_copy(refusal->message, sizeof(refusal->message), message);
        return -EBADMSG;
}

/* The bytes of a member in base64. */
static int ask_bytes(json_object *value, uint8_t *to, size_t min, size_t max, size_t *ret_size)
{
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        if (!json_object_is_type(value, json_type_string) ||
            text_unbase64(json_object_get_string(value), &data, &size) < 0 || size < min ||
            size > max)
                return -EBADMSG;
        memcpy(to, data, size);
        *ret_size = size;
        return 0;
}

static int ask_random(json_object *value, Ask *ask, AskRefusal *refusal)
{
        size_t size;

        if (ask_bytes(value, ask->random, ASK_RANDOM_SIZE, ASK_RANDOM_SIZE, &size) < 0)
                return ask_refuse(refusal, "random", "must be 32 bytes in base64");
        return 0;
}

static int ask_claims(json_object *value, Ask *ask, AskRefusal *refusal)
{
        const struct {
                const char *name;
                bool *wanted;
        } claims[] = {{"tsm", &ask->tsm}, {"svsm", &ask->svsm}, {"tpm", &ask->tpm}};

        if (!json_object_is_type(value, json_type_array))
                return ask_refuse(refusal, "claims", "must be an array");
        for (size_t i = 0; i < json_object_array_length(value); i++) {
                json_object *item = json_object_array_get_idx(value, i);
                const char *name = json_object_is_type(item, json_type_string)
                                           ? json_object_get_string(item)
                                           : "";
                size_t j = 0;

                while (j < ARRAY_SIZE(claims) && strcmp(claims[j].name, name) != 0)
                        j++;
                if (j == ARRAY_SIZE(claims))
                        return ask_refuse(refusal, "claims",
                                          "each must be \"tsm\", \"svsm\" or \"tpm\"");
                *claims[j].wanted = true;
        }
        return 0;
}

static int ask_blob(json_object *value, const char *field, AskBlob *blob, AskRefusal *refusal)
{
        if (ask_bytes(value, blob->bytes, 1, ASK_BLOB_MAX, &blob->size) < 0)
                return ask_refuse(refusal, field, "must be 1 to 1024 bytes in base64");
        return 0;
}

static int ask_member(const char *key, json_object *value, Ask *ask, AskRefusal *refusal)
{
        if (strcmp(key, "method") == 0)
                return 0;
        if (ask->method == ASK_EVIDENCE && strcmp(key, "random") == 0)
                return ask_random(value, ask, refusal);
        if (ask->method == ASK_EVIDENCE && strcmp(key, "claims") == 0)
                return ask_claims(value, ask, refusal);
        if (ask->method == ASK_ACTIVATE && strcmp(key, "credential") == 0)
                return ask_blob(value, "credential", &ask->credential, refusal);
        if (ask->method == ASK_ACTIVATE && strcmp(key, "secret") == 0)
                return ask_blob(value, "secret", &ask->secret, refusal);
        return ask_refuse(refusal, NULL, "has a member that this method does not have");
}

static int ask_find_method(json_object *object, AskMethod *ret, AskRefusal *refusal)
{
        const char *method = json_member_string(object, "method");

        if (method && strcmp(method, "evidence") == 0)
                *ret = ASK_EVIDENCE;
        else if (method && strcmp(method, "activate") == 0)
                *ret = ASK_ACTIVATE;
        else
                return ask_refuse(refusal, "method", "must be \"evidence\" or \"activate\"");
        return 0;
}

/* What the method requires. */
static int ask_require(json_object *object, const Ask *ask, AskRefusal *refusal)
{
        if (ask->method == ASK_EVIDENCE && !json_member(object, "random"))
                return ask_refuse(refusal, "random", "is required: 32 bytes in base64");
        if (ask->method == ASK_ACTIVATE && !ask->credential.size)
                return ask_refuse(refusal, "credential", "is required: a TPM2B_ID_OBJECT");
        if (ask->method == ASK_ACTIVATE && !ask->secret.size)
                return ask_refuse(refusal, "secret", "is required: a TPM2B_ENCRYPTED_SECRET");
        return 0;
}

int ask_parse(const char *line, size_t size, Ask *ret, AskRefusal *ret_refusal)
{
        _cleanup_json_ json_object *object = NULL;
        JsonParseError where = {};
        Ask ask = {};
        int r;

        if (json_parse_bounded(line, size, 64, &object, &where) < 0) {
                ret_refusal->field = NULL;
                snprintf(ret_refusal->message, sizeof(ret_refusal->message),
                         "is not valid JSON (column %u): %s", where.column, where.reason);
                return -EBADMSG;
        }
        if (!json_object_is_type(object, json_type_object))
                return ask_refuse(ret_refusal, NULL, "must be a JSON object");
        r = ask_find_method(object, &ask.method, ret_refusal);
        if (r < 0)
                return r;
        json_object_object_foreach (object, key, value) {
                r = ask_member(key, value, &ask, ret_refusal);
                if (r < 0)
                        return r;
        }
        r = ask_require(object, &ask, ret_refusal);
        if (r < 0)
                return r;
        if (!json_member(object, "claims"))
                ask.tsm = ask.svsm = ask.tpm = true;
        *ret = ask;
        return 0;
}
