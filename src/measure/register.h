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

/* A step: of a PCR or RTMR the digest that extends it; of an SNP launch digest the digest after it;
 * of MRTD none. */
typedef struct MeasurementEvent {
        char *what;
        bool has_digest;
        HashDigest digest;
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

/* Notes a step without changing the value. digest NULL: none. */
int register_note(Register *reg, const HashDigest *digest, const char *format, ...) _printf_(3, 4);
/* Notes a digest and extends the register with it. */
int register_extend(Register *reg, const HashDigest *digest, const char *what);
/* The same with the digest of these bytes. */
int register_extend_bytes(Register *reg, const void *data, size_t size, const char *what);
