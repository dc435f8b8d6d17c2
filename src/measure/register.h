/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One register of a measurement: it has a value and the events that lead to it, or the reason why
 * it has none. */

#include "base/hash_pair.h"
#include "base/macros.h"

/* Why a register has no value. */
typedef enum MeasurementState {
        MEASUREMENT_VALUE,
        MEASUREMENT_NOT_GIVEN,       /* an input that it needs was not named */
        MEASUREMENT_NOT_PREDICTABLE, /* no input determines it, or none that can be given here */
} MeasurementState;

/* What a step is made from: bits, in the order of register_input_name(). Other things that it may
 * depend on, such as constants of the firmware, are the same for all CVMs. */
typedef enum RegisterInput {
        INPUT_FIRMWARE = 1 << 0,
        INPUT_IGVM = 1 << 1,
        INPUT_KERNEL = 1 << 2,
        INPUT_INITRAMFS = 1 << 3,
        INPUT_CMDLINE = 1 << 4,
        INPUT_CPUS = 1 << 5,
        INPUT_CPU_MODEL = 1 << 6,
        INPUT_GUEST_FEATURES = 1 << 7,
        INPUT_MEMORY = 1 << 8,
        INPUT_ACPI_LOADER = 1 << 9,
        INPUT_ACPI_RSDP = 1 << 10,
        INPUT_ACPI_TABLES = 1 << 11,
} RegisterInput;

#define REGISTER_INPUTS 12u

/* The name that the measurement has for it (MeasurementInput.name): "kernel", "cmdline", … */
const char *register_input_name(size_t bit);

/* A step: of a PCR or RTMR the digest that extends it; of an SNP launch digest the digest after it;
 * of MRTD none. */
typedef struct MeasurementEvent {
        char *what;
        bool has_digest;
        HashDigest digest;
        unsigned inputs; /* RegisterInput; 0: constant, or not known */
} MeasurementEvent;

typedef struct Register {
        const char *name; /* "LaunchDigest", "MRTD", "RTMR1", "PCR4", …; static, see document */
        MeasurementState state;
        HashDigest value; /* its algorithm is valid in every state */
        char *reason; /* of a state other than MEASUREMENT_VALUE, or a remark on a value; or NULL */
        MeasurementEvent *events;
        size_t n_events;
} Register;

/* Takes away its value and events. Returns 0 or -ENOMEM. */
int register_no_value(Register *reg, MeasurementState state, const char *format, ...)
        _printf_(3, 4);
void register_forget_events(Register *reg);
/* Frees what the register owns. */
void register_clear(Register *reg);
int register_remark(Register *reg, const char *format, ...) _printf_(2, 3);

/* Says what the last step is made from, if r is 0: the result of the call that noted it. Returns
 * r. */
int register_made_from(Register *reg, unsigned inputs, int r);
/* Notes a step without changing the value. digest NULL: none. */
int register_note(Register *reg, const HashDigest *digest, const char *format, ...) _printf_(3, 4);
/* Notes a digest and extends the register with it. */
int register_extend(Register *reg, const HashDigest *digest, const char *what);
/* The same with the digest of these bytes. */
int register_extend_bytes(Register *reg, const void *data, size_t size, const char *what);
