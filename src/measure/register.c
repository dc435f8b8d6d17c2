/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/register.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/text.h"

const char *register_input_name(size_t bit)
{
        static const char *const names[REGISTER_INPUTS] = {
                "firmware",  "igvm",        "kernel",        "initramfs", "cmdline",
                "cpus",      "cpuModel",    "guestFeatures", "memory",    "acpi/table-loader",
                "acpi/rsdp", "acpi/tables",
        };

        return names[bit];
}

void register_forget_events(Register *reg)
{
        for (size_t i = 0; i < reg->n_events; i++)
                free(reg->events[i].what);
        free(TAKE_PTR(reg->events));
        reg->n_events = 0;
}

void register_clear(Register *reg)
{
        register_forget_events(reg);
        free(TAKE_PTR(reg->reason));
}

_printf_(2, 0) static int register_set_reason(Register *reg, const char *format, va_list ap)
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
        r = register_set_reason(reg, format, ap);
        va_end(ap);
        return r;
}

int register_remark(Register *reg, const char *format, ...)
{
        va_list ap;
        int r;

        va_start(ap, format);
        r = register_set_reason(reg, format, ap);
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

int register_made_from(Register *reg, unsigned inputs, int r)
{
        if (r == 0 && reg->n_events > 0)
                reg->events[reg->n_events - 1].inputs = inputs;
        return r;
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
