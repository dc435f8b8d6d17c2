/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/measurement_document.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define NAME_MAX_LENGTH 32

static json_object *measure_document_hex_json(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *hex = text_hex(data, size);

        return hex ? json_object_new_string(hex) : NULL;
}

static json_object *digest_json(const HashDigest *digest)
{
        return measure_document_hex_json(digest->bytes, hash_size(digest->algorithm));
}

static json_object *made_from_json(unsigned inputs)
{
        json_object *array = inputs ? json_object_new_array() : NULL;

        for (size_t bit = 0; bit < REGISTER_INPUTS; bit++)
                if (inputs & (1u << bit))
                        json_object_array_add(array,
                                              json_object_new_string(register_input_name(bit)));
        return array;
}

/* Names of a later version are left out. */
static unsigned made_from_parse(json_object *array)
{
        size_t n =
                json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
        unsigned inputs = 0;

        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                const char *name = json_object_is_type(item, json_type_string)
                                           ? json_object_get_string(item)
                                           : "";

                for (size_t bit = 0; bit < REGISTER_INPUTS; bit++)
                        if (strcmp(name, register_input_name(bit)) == 0)
                                inputs |= 1u << bit;
        }
        return inputs;
}

static json_object *register_json(const Register *reg)
{
        json_object *events = reg->n_events ? json_object_new_array() : NULL;

        for (size_t i = 0; i < reg->n_events; i++) {
                const MeasurementEvent *event = &reg->events[i];

                json_object_array_add(
                        events, json_build("event", json_new_text(event->what), "digest",
                                           event->has_digest ? digest_json(&event->digest) : NULL,
                                           "inputs", made_from_json(event->inputs), NULL));
        }
        return json_build("name", json_object_new_string(reg->name), "algorithm",
                          json_object_new_string(hash_name(reg->value.algorithm)), "state",
                          json_object_new_string(measurement_state_name(reg->state)), "value",
                          reg->state == MEASUREMENT_VALUE ? digest_json(&reg->value) : NULL,
                          "reason", reg->reason ? json_new_text(reg->reason) : NULL, "events",
                          events, NULL);
}

static json_object *input_json(const MeasurementInput *input)
{
        if (!input->has_digests)
                return json_new_text(input->text);
        return json_build(
                "size", input->sha256_only ? NULL : json_object_new_int64((int64_t)input->size),
                "sha256", measure_document_hex_json(input->digests.sha256, SHA256_SIZE), "sha384",
                input->sha256_only ? NULL
                                   : measure_document_hex_json(input->digests.sha384, SHA384_SIZE),
                NULL);
}

json_object *measurement_to_json(const Measurement *measurement, const char *platform,
                                 const char *method)
{
        json_object *registers = json_object_new_array(), *inputs = json_object_new_object();

        for (size_t i = 0; i < measurement->n_registers; i++)
                json_object_array_add(registers, register_json(&measurement->registers[i]));
        for (size_t i = 0; i < measurement->n_inputs; i++)
                json_add(inputs, measurement->inputs[i].name, input_json(&measurement->inputs[i]));
        return json_build("registers", registers, "inputs", inputs, "profile",
                          json_object_get(measurement->profile), "platform",
                          json_new_text(platform), "method",
                          method ? json_object_new_string(method) : NULL, NULL);
}

/* Of registers and inputs: letters, digits, '/' and '-'. */
static bool measure_document_is_name(const char *name)
{
        return *name && strlen(name) <= NAME_MAX_LENGTH &&
               name[strspn(name,
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-")] ==
                       0;
}

static int measure_document_find_algorithm(const char *name, HashAlgorithm *ret)
{
        for (HashAlgorithm algorithm = 0; name && algorithm < _HASH_MAX; algorithm++)
                if (strcmp(name, hash_name(algorithm)) == 0) {
                        *ret = algorithm;
                        return 0;
                }
        return -EBADMSG;
}

static int find_state(const char *name, MeasurementState *ret)
{
        for (MeasurementState state = 0; name && state <= MEASUREMENT_NOT_PREDICTABLE; state++)
                if (strcmp(name, measurement_state_name(state)) == 0) {
                        *ret = state;
                        return 0;
                }
        return -EBADMSG;
}

static int measure_document_parse_digest(const char *hex, HashAlgorithm algorithm, HashDigest *ret)
{
        return hex && hash_parse_hex(algorithm, hex, ret) == 0 ? 0 : -EBADMSG;
}

static int measure_document_parse_event(json_object *item, Register *reg)
{
        const char *what = json_member_string(item, "event");
        const char *hex = json_member_string(item, "digest");
        HashDigest digest;

        if (!what || (json_member(item, "digest") &&
                      measure_document_parse_digest(hex, reg->value.algorithm, &digest) < 0))
                return -EBADMSG;
        return register_made_from(reg, made_from_parse(json_member(item, "inputs")),
                                  register_note(reg, hex ? &digest : NULL, "%s", what));
}

static int measure_document_parse_register(Measurement *measurement, json_object *item)
{
        const char *name = json_member_string(item, "name");
        const char *reason = json_member_string(item, "reason");
        json_object *events = json_member(item, "events");
        HashAlgorithm algorithm;
        MeasurementState state;
        Register *reg;
        int r;

        if (!name || !measure_document_is_name(name) ||
            measure_document_find_algorithm(json_member_string(item, "algorithm"), &algorithm) <
                    0 ||
            find_state(json_member_string(item, "state"), &state) < 0 ||
            (events && !json_object_is_type(events, json_type_array)))
                return -EBADMSG;
        reg = measurement_add(measurement, name, algorithm);
        if (!reg)
                return -ENOMEM;
        if (state != MEASUREMENT_VALUE)
                return register_no_value(reg, state, "%s", reason ?: "");
        r = measure_document_parse_digest(json_member_string(item, "value"), algorithm,
                                          &reg->value);
        if (r == 0 && reason)
                r = register_remark(reg, "%s", reason);
        for (size_t i = 0; r == 0 && events && i < json_object_array_length(events); i++)
                r = measure_document_parse_event(json_object_array_get_idx(events, i), reg);
        return r;
}

static int parse_input(Measurement *measurement, const char *name, json_object *value)
{
        json_object *size = json_member(value, "size");
        HashDigest sha256, sha384;
        HashPairDigest pair;

        if (!measure_document_is_name(name))
                return -EBADMSG;
        if (json_object_is_type(value, json_type_string))
                return measurement_add_text(measurement, name, "%s", json_object_get_string(value));
        if (measure_document_parse_digest(json_member_string(value, "sha256"), HASH_SHA256,
                                          &sha256) < 0)
                return -EBADMSG;
        if (!size)
                return measurement_add_sha256(measurement, name, &sha256);
        if (!json_object_is_type(size, json_type_int) || json_object_get_int64(size) < 0 ||
            measure_document_parse_digest(json_member_string(value, "sha384"), HASH_SHA384,
                                          &sha384) < 0)
                return -EBADMSG;
        memcpy(pair.sha256, sha256.bytes, SHA256_SIZE);
        memcpy(pair.sha384, sha384.bytes, SHA384_SIZE);
        return measurement_add_file(measurement, name, json_object_get_uint64(size), &pair);
}

static int parse_inputs(Measurement *measurement, json_object *inputs)
{
        if (!json_object_is_type(inputs, json_type_object))
                return -EBADMSG;
        json_object_object_foreach (inputs, name, value) {
                int r = parse_input(measurement, name, value);

                if (r < 0)
                        return r;
        }
        return 0;
}

int measurement_from_json(json_object *document, Measurement **ret, const char **ret_member)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        json_object *registers = json_member(document, "registers");
        json_object *profile = json_member(document, "profile");
        int r = 0;

        if (!measurement)
                return -ENOMEM;
        measurement->document = json_object_get(document);
        *ret_member = "registers";
        if (!json_object_is_type(registers, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; r == 0 && i < json_object_array_length(registers); i++)
                r = measure_document_parse_register(measurement,
                                                    json_object_array_get_idx(registers, i));
        if (r < 0)
                return r;
        *ret_member = "inputs";
        r = parse_inputs(measurement, json_member(document, "inputs"));
        if (r < 0)
                return r;
        *ret_member = "profile";
        if (profile && !json_object_is_type(profile, json_type_object))
                return -EBADMSG;
        measurement->profile = json_object_get(profile);
        *ret = TAKE_PTR(measurement);
        return 0;
}
