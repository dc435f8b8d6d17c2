/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/record.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

static const struct {
        const char *name;
        bool banked; /* of a TPM: one in each bank */
} known[] = {
        {"LaunchDigest"}, {"LaunchDigestAllVcpus"}, {"MRTD"},       {"RTMR0"}, {"RTMR1"}, {"RTMR2"},
        {"RTMR3"},        {"PCR4", true},           {"PCR9", true},
};

static void full_name(size_t which, HashAlgorithm algorithm, char ret[static 48])
{
        snprintf(ret, 48, "%s%s%s", known[which].name, known[which].banked ? "-" : "",
                 known[which].banked ? hash_name(algorithm) : "");
}

static int measure_record_find(const char *name, size_t *ret_which, HashAlgorithm *ret_algorithm)
{
        char full[48];

        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                for (HashAlgorithm algorithm = 0; algorithm < _HASH_MAX; algorithm++) {
                        if (!known[i].banked && algorithm != HASH_SHA384)
                                continue;
                        full_name(i, algorithm, full);
                        if (strcmp(full, name) != 0)
                                continue;
                        *ret_which = i;
                        *ret_algorithm = algorithm;
                        return 0;
                }
        return -ENOENT;
}

static int measure_record_add(json_object *record, const Register *reg)
{
        _cleanup_free_ char *hex = NULL;
        char full[48];

        if (reg->state != MEASUREMENT_VALUE)
                return 0;
        hex = hash_hex(&reg->value);
        if (!hex)
                return -ENOMEM;
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                if (strcmp(known[i].name, reg->name) == 0) {
                        full_name(i, reg->value.algorithm, full);
                        json_object_object_add(record, full, json_object_new_string(hex));
                }
        return 0;
}

json_object *record_from_measurement(const Measurement *measurement)
{
        _cleanup_json_ json_object *record = json_object_new_object();

        for (size_t i = 0; record && i < measurement->n_registers; i++)
                if (measure_record_add(record, &measurement->registers[i]) < 0)
                        return NULL;
        return TAKE_PTR(record);
}

static int measure_record_take(Measurement *measurement, const char *name, json_object *value)
{
        const char *hex =
                json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
        HashAlgorithm algorithm;
        HashDigest digest;
        Register *reg;
        size_t which;

        if (measure_record_find(name, &which, &algorithm) < 0 ||
            hash_parse_hex(algorithm, hex, &digest) < 0)
                return -EBADMSG;
        reg = measurement_add(measurement, known[which].name, algorithm);
        if (!reg)
                return -ENOMEM;
        reg->value = digest;
        return 0;
}

int record_to_measurement(json_object *record, Measurement **ret, const char **ret_name)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();

        if (!measurement)
                return -ENOMEM;
        json_object_object_foreach (record, name, value) {
                int r = measure_record_take(measurement, name, value);

                if (r == -EBADMSG)
                        *ret_name = name;
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(measurement);
        return 0;
}
