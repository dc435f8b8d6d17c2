/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/measurement.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *measurement_state_name(MeasurementState state)
{
        static const char *const names[] = {
                [MEASUREMENT_VALUE] = "value",
                [MEASUREMENT_NOT_GIVEN] = "not-given",
                [MEASUREMENT_NOT_PREDICTABLE] = "not-predictable",
        };

        return names[state];
}

Measurement *measurement_new(void)
{
        return calloc(1, sizeof(Measurement));
}

Measurement *measurement_free(Measurement *measurement)
{
        if (!measurement)
                return NULL;
        for (size_t i = 0; i < measurement->n_registers; i++)
                register_clear(&measurement->registers[i]);
        for (size_t i = 0; i < measurement->n_inputs; i++)
                free(measurement->inputs[i].text);
        free(measurement->registers);
        free(measurement->inputs);
        json_object_put(measurement->profile);
        json_object_put(measurement->document);
        free(measurement);
        return NULL;
}

Register *measurement_add(Measurement *measurement, const char *name, HashAlgorithm algorithm)
{
        Register *registers = reallocarray(measurement->registers, measurement->n_registers + 1,
                                           sizeof(*registers));

        if (!registers)
                return NULL;
        measurement->registers = registers;
        registers[measurement->n_registers] =
                (Register){.name = name, .value = hash_zero(algorithm)};
        return &registers[measurement->n_registers++];
}

static MeasurementInput *add_input(Measurement *measurement, const char *name)
{
        MeasurementInput *inputs =
                reallocarray(measurement->inputs, measurement->n_inputs + 1, sizeof(*inputs));

        if (!inputs)
                return NULL;
        measurement->inputs = inputs;
        inputs[measurement->n_inputs] = (MeasurementInput){.name = name};
        return &inputs[measurement->n_inputs++];
}

int measurement_add_file(Measurement *measurement, const char *name, uint64_t size,
                         const HashPairDigest *digests)
{
        MeasurementInput *input = add_input(measurement, name);

        if (!input)
                return -ENOMEM;
        input->size = size;
        input->has_digests = true;
        input->digests = *digests;
        return 0;
}

int measurement_add_sha256(Measurement *measurement, const char *name, const HashDigest *sha256)
{
        MeasurementInput *input = add_input(measurement, name);

        if (!input)
                return -ENOMEM;
        input->has_digests = input->sha256_only = true;
        memcpy(input->digests.sha256, sha256->bytes, SHA256_SIZE);
        return 0;
}

int measurement_add_text(Measurement *measurement, const char *name, const char *format, ...)
{
        MeasurementInput *input = add_input(measurement, name);
        va_list ap;

        if (!input)
                return -ENOMEM;
        va_start(ap, format);
        input->text = text_format_v(format, ap);
        va_end(ap);
        return input->text ? 0 : -ENOMEM;
}

const Register *measurement_find(const Measurement *measurement, const char *name,
                                 HashAlgorithm algorithm)
{
        for (size_t i = 0; i < measurement->n_registers; i++)
                if (strcmp(measurement->registers[i].name, name) == 0 &&
                    measurement->registers[i].value.algorithm == algorithm)
                        return &measurement->registers[i];
        return NULL;
}
