/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an attestation is expected to show: what `cvmctl measure --json` prints, or a Cvm of
 * io.cvmd.Manager with its "measurement"; either may have "binding", as a Cvm has it,
 * "launchSecurity", as a spec has it, and "vmpl". Other members are not looked at here; see
 * expectation_members.h and cvm-verify(7).
 */

#include <json-c/json.h>

#include "base/error.h"
#include "base/hash.h"
#include "measure/id_block.h"

#define EXPECTATION_REGISTERS_MAX 128
#define EXPECTATION_EVENTS_MAX 4096 /* of a register */

/* A step that extends the register. */
typedef struct ExpectedEvent {
        const char *what; /* borrowed from the JSON */
        HashDigest digest;
} ExpectedEvent;

typedef struct ExpectedRegister {
        char name[24];
        HashDigest value; /* its algorithm is valid in any case */
        bool has_value;
        const char *reason; /* why there is no value, or NULL; borrowed from the JSON */
        ExpectedEvent *events;
        size_t n_events;
} ExpectedRegister;

/* Settings of the confidential object; NULL or false: none is expected. */
typedef struct Expectation {
        json_object *json; /* owned */
        ExpectedRegister *registers;
        size_t n_registers;
        bool has_policy, has_attributes, has_vmpl, author_key;
        uint64_t policy, attributes;
        uint32_t vmpl;
        uint8_t *host_data, *id_block, *id_auth;            /* 32, 96, 4096 bytes */
        uint8_t *mr_config_id, *mr_owner, *mr_owner_config; /* 48 bytes each */
} Expectation;

/* InvalidSpec with the member ("expect.registers[3].value") and why. Takes json in any case. */
int expectation_parse(json_object *json, Expectation *ret, CvmError *error);
void expectation_done(Expectation *expectation);

/* NULL: none of that name and algorithm. */
const ExpectedRegister *expectation_find(const Expectation *expectation, const char *name,
                                         HashAlgorithm algorithm);
