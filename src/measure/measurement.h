/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Measurement: what a guest's attestation must show, register by register. A register either has
 * a value and the events that lead to it, or says why it has none: never a guess.
 *
 * Built by measure_run() (measure.h); as JSON: measurement_document.h.
 */

#include <json-c/json.h>

#include "base/error.h"
#include "base/hash_pair.h"
#include "measure/register.h"

/* "value", "not-given", "not-predictable". */
const char *measurement_state_name(MeasurementState state);

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
int measurement_add_file(Measurement *measurement, const char *name, uint64_t size,
                         const HashPairDigest *digests);
int measurement_add_sha256(Measurement *measurement, const char *name, const HashDigest *sha256);
int measurement_add_text(Measurement *measurement, const char *name, const char *format, ...)
        _printf_(3, 4);

/* The register of that name and algorithm, or NULL. */
const Register *measurement_find(const Measurement *measurement, const char *name,
                                 HashAlgorithm algorithm);
