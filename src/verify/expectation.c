/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/expectation.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "spec/spec.h"

/* Where in the document, for messages. */
#define FIELD_MAX 96

static int expectation_refuse(CvmError *error, const char *field, const char *reason)
{
        return cvm_error_invalid_spec(error, field, "%s", reason);
}

static HashAlgorithm expectation_find_algorithm(const char *name)
{
        HashAlgorithm algorithm = 0;

        while (algorithm < _HASH_MAX && (!name || strcmp(name, hash_name(algorithm)) != 0))
                algorithm++;
        return algorithm;
}

static int expectation_parse_digest(json_object *value, HashDigest *digest)
{
        if (!json_object_is_type(value, json_type_string))
                return -EINVAL;
        return hash_parse_hex(digest->algorithm, json_object_get_string(value), digest);
}

static int parse_events(json_object *array, const char *field, ExpectedRegister *reg,
                        CvmError *error)
{
        size_t n;

        if (!array)
                return 0;
        if (!json_object_is_type(array, json_type_array))
                return expectation_refuse(error, field, "events must be an array");
        n = json_object_array_length(array);
        if (n > EXPECTATION_EVENTS_MAX)
                return expectation_refuse(error, field, "has too many events");
        reg->events = calloc(n ?: 1, sizeof(*reg->events));
        if (!reg->events)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                ExpectedEvent event = {.what = json_member_string(item, "event"),
                                       .digest = hash_zero(reg->value.algorithm)};
                json_object *digest = json_member(item, "digest");

                if (!event.what)
                        return expectation_refuse(error, field,
                                                  "an event must have \"event\", a string");
                if (!digest)
                        continue;
                if (expectation_parse_digest(digest, &event.digest) < 0)
                        return expectation_refuse(
                                error, field,
                                "the digest of an event is not hex of its algorithm's length");
                reg->events[reg->n_events++] = event;
        }
        return 0;
}

static int expectation_parse_register(json_object *item, const char *field, ExpectedRegister *reg,
                                      CvmError *error)
{
        const char *name = json_member_string(item, "name");
        json_object *value = json_member(item, "value");

        if (!name || !*name || !text_copy(reg->name, sizeof(reg->name), name))
                return expectation_refuse(error, field, "must have a name");
        reg->value.algorithm = expectation_find_algorithm(json_member_string(item, "algorithm"));
        if (reg->value.algorithm == _HASH_MAX)
                return expectation_refuse(error, field, "its algorithm must be sha256 or sha384");
        reg->has_value = value;
        if (value && expectation_parse_digest(value, &reg->value) < 0)
                return expectation_refuse(error, field,
                                          "its value is not hex of its algorithm's length");
        if (!value && !json_member_string(item, "state"))
                return expectation_refuse(error, field, "must have a value or a state");
        reg->reason = json_member_string(item, "reason");
        return parse_events(json_member(item, "events"), field, reg, error);
}

/* Of a Cvm: "LaunchDigest", "PCR4-sha256". */
static int expectation_parse_entry(const char *name, json_object *value, ExpectedRegister *reg,
                                   CvmError *error)
{
        const char *dash = strchr(name, '-');
        size_t size = dash ? (size_t)(dash - name) : strlen(name);
        char field[FIELD_MAX];

        snprintf(field, sizeof(field), "expect.measurement.%.32s", name);
        if (size == 0 || size >= sizeof(reg->name))
                return expectation_refuse(error, field, "is not the name of a register");
        memcpy(reg->name, name, size);
        reg->value.algorithm = dash ? expectation_find_algorithm(dash + 1) : HASH_SHA384;
        if (reg->value.algorithm == _HASH_MAX)
                return expectation_refuse(error, field, "its algorithm must be sha256 or sha384");
        if (expectation_parse_digest(value, &reg->value) < 0)
                return expectation_refuse(error, field, "is not hex of its algorithm's length");
        reg->has_value = true;
        return 0;
}

static int expectation_reserve(Expectation *expectation, size_t n, const char *field,
                               CvmError *error)
{
        if (n > EXPECTATION_REGISTERS_MAX)
                return expectation_refuse(error, field, "has too many registers");
        expectation->registers = calloc(n ?: 1, sizeof(*expectation->registers));
        return expectation->registers ? 0 : -ENOMEM;
}

/* The one parsed last. */
static int check_twice(const Expectation *expectation, const char *field, CvmError *error)
{
        const ExpectedRegister *last = &expectation->registers[expectation->n_registers - 1];

        if (expectation_find(expectation, last->name, last->value.algorithm) != last)
                return expectation_refuse(error, field, "is given twice");
        return 0;
}

static int parse_registers(json_object *array, Expectation *expectation, CvmError *error)
{
        int r;

        if (!json_object_is_type(array, json_type_array))
                return expectation_refuse(error, "expect.registers", "must be an array");
        r = expectation_reserve(expectation, json_object_array_length(array), "expect.registers",
                                error);
        for (size_t i = 0; r == 0 && i < json_object_array_length(array); i++) {
                char field[FIELD_MAX];

                snprintf(field, sizeof(field), "expect.registers[%zu]", i);
                r = expectation_parse_register(json_object_array_get_idx(array, i), field,
                                               &expectation->registers[expectation->n_registers++],
                                               error);
                if (r == 0)
                        r = check_twice(expectation, field, error);
        }
        return r;
}

static int parse_measurement(json_object *map, Expectation *expectation, CvmError *error)
{
        int r;

        if (!json_object_is_type(map, json_type_object))
                return expectation_refuse(error, "expect.measurement", "must be an object");
        r = expectation_reserve(expectation, (size_t)json_object_object_length(map),
                                "expect.measurement", error);
        if (r < 0)
                return r;
        json_object_object_foreach (map, name, value) {
                r = expectation_parse_entry(
                        name, value, &expectation->registers[expectation->n_registers++], error);
                if (r == 0)
                        r = check_twice(expectation, "expect.measurement", error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static const SpecSecurityKey *expectation_find_key(const char *name)
{
        for (const SpecSecurityKey *key = spec_security_keys; key->name; key++)
                if (strcmp(key->name, name) == 0)
                        return key;
        return NULL;
}

static int expectation_parse_bytes(const SpecSecurityKey *key, const char *text, const char *field,
                                   Expectation *expectation, CvmError *error)
{
        const struct {
                const char *name;
                uint8_t **target;
        } targets[] = {
                {"hostData", &expectation->host_data},
                {"idBlock", &expectation->id_block},
                {"idAuth", &expectation->id_auth},
                {"mrConfigId", &expectation->mr_config_id},
                {"mrOwner", &expectation->mr_owner},
                {"mrOwnerConfig", &expectation->mr_owner_config},
        };
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;
        int r = text_unbase64(text, &bytes, &size);

        if (r == -ENOMEM)
                return r;
        if (r < 0 || size != key->size)
                return cvm_error_invalid_spec(error, field, "must be base64 of exactly %zu bytes",
                                              key->size);
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
                if (strcmp(targets[i].name, key->name) == 0)
                        *targets[i].target = TAKE_PTR(bytes);
        return 0;
}

static int parse_setting(const SpecSecurityKey *key, const char *text, const char *field,
                         Expectation *expectation, CvmError *error)
{
        bool policy = strcmp(key->name, "policy") == 0;

        switch (key->kind) {
        case SPEC_SECURITY_NUMBER:
                if (spec_security_parse_number(text, policy ? &expectation->policy
                                                            : &expectation->attributes) < 0)
                        return expectation_refuse(error, field,
                                                  "must be a number of at most 64 bits, decimal "
                                                  "or hexadecimal with 0x, as a string");
                *(policy ? &expectation->has_policy : &expectation->has_attributes) = true;
                return 0;
        case SPEC_SECURITY_BOOL:
                if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
                        return expectation_refuse(error, field, "must be \"true\" or \"false\"");
                if (strcmp(key->name, "authorKeyEnabled") == 0)
                        expectation->author_key = *text == 't';
                return 0;
        default:
                return expectation_parse_bytes(key, text, field, expectation, error);
        }
}

static int parse_security(json_object *object, Expectation *expectation, CvmError *error)
{
        if (!json_object_is_type(object, json_type_object))
                return expectation_refuse(error, "expect.launchSecurity", "must be an object");
        json_object_object_foreach (object, name, value) {
                const SpecSecurityKey *key = expectation_find_key(name);
                char field[FIELD_MAX];
                int r;

                snprintf(field, sizeof(field), "expect.launchSecurity.%.32s", name);
                if (!key)
                        return expectation_refuse(error, field, "unknown field; see cvm-spec(5)");
                if (!json_object_is_type(value, json_type_string))
                        return expectation_refuse(error, field, "must be a string");
                r = parse_setting(key, json_object_get_string(value), field, expectation, error);
                if (r < 0)
                        return r;
        }
        if (!expectation->id_block != !expectation->id_auth)
                return expectation_refuse(error, "expect.launchSecurity",
                                          "idBlock and idAuth go together");
        if (expectation->author_key && !expectation->id_auth)
                return expectation_refuse(error, "expect.launchSecurity.authorKeyEnabled",
                                          "requires idBlock and idAuth");
        return 0;
}

/* Of a Cvm: what bindWorkload has put into a field of launchSecurity. */
static int parse_binding(json_object *object, Expectation *expectation, CvmError *error)
{
        const char *name = json_member_string(object, "field") ?: "";
        bool host = strcmp(name, "hostData") == 0;
        uint8_t **target = host ? &expectation->host_data : &expectation->mr_config_id;
        HashDigest digest = {.algorithm = host ? HASH_SHA256 : HASH_SHA384};
        size_t size = hash_size(digest.algorithm);

        if (!host && strcmp(name, "mrConfigId") != 0)
                return expectation_refuse(error, "expect.binding.field",
                                          "must be hostData or mrConfigId");
        if (expectation_parse_digest(json_member(object, "value"), &digest) < 0)
                return expectation_refuse(error, "expect.binding.value",
                                          "is not hex of the field's length");
        if (*target)
                return memcmp(*target, digest.bytes, size) == 0
                               ? 0
                               : expectation_refuse(error, "expect.binding.value",
                                                    "differs from the value in launchSecurity");
        *target = malloc(size);
        if (!*target)
                return -ENOMEM;
        memcpy(*target, digest.bytes, size);
        return 0;
}

static int parse_vmpl(json_object *value, Expectation *expectation, CvmError *error)
{
        int64_t vmpl =
                json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;

        if (vmpl < 0 || vmpl > 3)
                return expectation_refuse(error, "expect.vmpl", "must be a number from 0 to 3");
        expectation->vmpl = (uint32_t)vmpl;
        expectation->has_vmpl = true;
        return 0;
}

int expectation_parse(json_object *json, Expectation *ret, CvmError *error)
{
        _cleanup_(expectation_done) Expectation expectation = {.json = json};
        json_object *registers = json_member(json, "registers");
        json_object *measurement = json_member(json, "measurement");
        json_object *security = json_member(json, "launchSecurity");
        json_object *binding = json_member(json, "binding");
        json_object *vmpl = json_member(json, "vmpl");
        int r;

        if (!json_object_is_type(json, json_type_object))
                return expectation_refuse(error, "expect", "must be an object");
        if (!registers == !measurement)
                return expectation_refuse(error, "expect",
                                          "must have registers, as cvmctl measure --json "
                                          "prints them, or a measurement, as a Cvm has it");
        r = registers ? parse_registers(registers, &expectation, error)
                      : parse_measurement(measurement, &expectation, error);
        if (r == 0 && security)
                r = parse_security(security, &expectation, error);
        if (r == 0 && binding)
                r = parse_binding(binding, &expectation, error);
        if (r == 0 && vmpl)
                r = parse_vmpl(vmpl, &expectation, error);
        if (r < 0)
                return r;
        *ret = TAKE_STRUCT(expectation);
        return 0;
}

void expectation_done(Expectation *expectation)
{
        for (size_t i = 0; i < expectation->n_registers; i++)
                free(expectation->registers[i].events);
        free(expectation->registers);
        free(expectation->host_data);
        free(expectation->id_block);
        free(expectation->id_auth);
        free(expectation->mr_config_id);
        free(expectation->mr_owner);
        free(expectation->mr_owner_config);
        json_object_put(expectation->json);
        *expectation = (Expectation){};
}

const ExpectedRegister *expectation_find(const Expectation *expectation, const char *name,
                                         HashAlgorithm algorithm)
{
        for (size_t i = 0; i < expectation->n_registers; i++) {
                const ExpectedRegister *reg = &expectation->registers[i];

                if (reg->value.algorithm == algorithm && strcmp(reg->name, name) == 0)
                        return reg;
        }
        return NULL;
}
