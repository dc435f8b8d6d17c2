/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Measurement: what a guest's attestation must show, register by register. A register either has
 * a value and the events that lead to it, or says why it has none: never a guess.
 *
 * Built by measure_run() (measure.h); as JSON: document.h.
 */

#include <json-c/json.h>

#include "base/error.h"
#include "base/hash_pair.h"

/* Why a register has no value. */
typedef enum MeasurementState {
        MEASUREMENT_VALUE,
        MEASUREMENT_NOT_GIVEN,       /* an input that it needs was not named */
        MEASUREMENT_NOT_PREDICTABLE, /* no input determines it, or none that can be given here */
} MeasurementState;

/* "value", "not-given", "not-predictable". */
const char *measurement_state_name(MeasurementState state);

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

/* An input as it was measured. */
typedef struct MeasurementInput {
        const char *name; /* "kernel", …; static, see document */
        char *text;       /* the value, if the input is not a file; otherwise NULL */
        uint64_t size;    /* of a file */
        bool has_digests; /* of a file */
        bool sha256_only; /* neither its size nor its SHA-384 is known */
        HashPairDigest digests;
} MeasurementInput;

typedef struct Measurement {
        Register *registers;
        size_t n_registers;
        MeasurementInput *inputs;
        size_t n_inputs;
        json_object *profile;  /* see profile.h; NULL: none was needed */
        json_object *document; /* which it was read from and names are borrowed of; or NULL */
} Measurement;

Measurement *measurement_new(void); /* NULL without memory */
Measurement *measurement_free(Measurement *measurement);
DEFINE_CLEANUP(Measurement *, measurement_free)

/* A new register of zeros, MEASUREMENT_VALUE; NULL without memory. The pointer is valid until the
 * next one is added. */
Register *measurement_add(Measurement *measurement, const char *name, HashAlgorithm algorithm);
/* Takes away its value and events. Returns 0 or -ENOMEM. */
int register_no_value(Register *reg, MeasurementState state, const char *format, ...)
        _printf_(3, 4);
void register_forget_events(Register *reg);
int register_remark(Register *reg, const char *format, ...) _printf_(2, 3);

/* Notes a step without changing the value. digest NULL: none. */
int register_note(Register *reg, const HashDigest *digest, const char *format, ...) _printf_(3, 4);
/* Notes a digest and extends the register with it. */
int register_extend(Register *reg, const HashDigest *digest, const char *what);
/* The same with the digest of these bytes. */
int register_extend_bytes(Register *reg, const void *data, size_t size, const char *what);

int measurement_add_file(Measurement *measurement, const char *name, uint64_t size,
                         const HashPairDigest *digests);
int measurement_add_sha256(Measurement *measurement, const char *name, const HashDigest *sha256);
int measurement_add_text(Measurement *measurement, const char *name, const char *format, ...)
        _printf_(3, 4);

/* The register of that name and algorithm, or NULL. */
const Register *measurement_find(const Measurement *measurement, const char *name,
                                 HashAlgorithm algorithm);
