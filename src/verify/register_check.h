/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The registers that an attestation shows, against those that are expected. */

#include "verify/expectation.h"
#include "verify/findings.h"
#include "verify/pcrs.h"

#define SEEN_REGISTERS_MAX (5 + _HASH_MAX * PCRS)

typedef struct SeenRegister {
        const char *name; /* static: as Register.name */
        HashDigest value;
        /* Expected or not, there is no verdict without it: what signed evidence shows. */
        bool needed;
} SeenRegister;

typedef struct SeenRegisters {
        SeenRegister items[SEEN_REGISTERS_MAX];
        size_t n;
        bool quoted; /* by a TPM: the guest chooses which banks the evidence shows */
} SeenRegisters;

/* Adds a SHA-384 register that the evidence signs. */
void seen_registers_add(SeenRegisters *seen, const char *name, const uint8_t *value);
void seen_registers_add_pcrs(SeenRegisters *seen, const Pcrs *pcrs);
/* "PCR4"; static. */
const char *register_check_pcr_name(unsigned index);

/* A finding for each register that is seen and for each that is expected and not seen. expectation
 * NULL: none was given. */
void registers_check(const SeenRegisters *seen, const Expectation *expectation, Findings *findings);
/* Where only PCR 4 and PCR 9 say which kernel runs: a finding, needed and not checked, for each of
 * them that is not expected in any bank. */
void registers_check_kernel(const Expectation *expectation, Findings *findings);
