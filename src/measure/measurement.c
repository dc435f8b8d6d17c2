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

void register_forget_events(Register *reg)
{
        for (size_t i = 0; i < reg->n_events; i++)
                free(reg->events[i].what);
        free(TAKE_PTR(reg->events));
        reg->n_events = 0;
}

static void register_clear(Register *reg)
{
        register_forget_events(reg);
        free(TAKE_PTR(reg->reason));
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

_printf_(2, 0) static int set_reason(Register *reg, const char *format, va_list ap)
{
        char *reason = text_format_v(format, ap);

        if (!reason)
                return -ENOMEM;
        free(reg->reason);
        reg->reason = reason;
        return 0;
}

int register_no_value(Register *reg, MeasurementState state, const char *format, ...)
{
        va_list ap;
        int r;

        register_clear(reg);
        reg->state = state;
        reg->value = hash_zero(reg->value.algorithm);
        va_start(ap, format);
        r = set_reason(reg, format, ap);
        va_end(ap);
        return r;
}

int register_remark(Register *reg, const char *format, ...)
{
        va_list ap;
        int r;

        va_start(ap, format);
        r = set_reason(reg, format, ap);
        va_end(ap);
        return r;
}

int register_note(Register *reg, const HashDigest *digest, const char *format, ...)
{
        MeasurementEvent event = {.has_digest = digest}, *events;
        va_list ap;

        if (digest)
                event.digest = *digest;
        events = reallocarray(reg->events, reg->n_events + 1, sizeof(*events));
        if (!events)
                return -ENOMEM;
        reg->events = events;
        va_start(ap, format);
        event.what = text_format_v(format, ap);
        va_end(ap);
        if (!event.what)
                return -ENOMEM;
        events[reg->n_events++] = event;
        return 0;
}

int register_extend(Register *reg, const HashDigest *digest, const char *what)
{
        int r = register_note(reg, digest, "%s", what);

        return r < 0 ? r : hash_extend(&reg->value, digest);
}

int register_extend_bytes(Register *reg, const void *data, size_t size, const char *what)
{
        HashDigest digest;
        int r = hash_bytes(reg->value.algorithm, data, size, &digest);

        return r < 0 ? r : register_extend(reg, &digest, what);
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
