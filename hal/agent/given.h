/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the guest was given by its launcher, its environment and certificates, as the agent shows
 * it.
 *
 * Anybody who reaches the port learns how many there are, no more. Who shows by a request's proof
 * to have the key that is the variable CVM_AGENT_KEY (64 hex digits, chosen by the launcher) gets
 * names and MACs. All MACs are HMAC-SHA256 with that key over a purpose, the request's nonce (64
 * bytes) and what they are about, so that none stands for another:
 *
 *     proof:       "cvm-agent proof" 0 nonce
 *     variable:    "cvm-agent variable" 0 nonce name 0 value
 *     certificate: "cvm-agent certificate" 0 nonce name 0 content
 */

#include <json-c/json.h>

#include "environment.h"
#include "request.h"

#define GIVEN_KEY "CVM_AGENT_KEY"
#define GIVEN_CERT_MAX (16 << 20) /* bytes of a file that is read */
#define GIVEN_CERTS_MAX 1024      /* files */

/* Why the proof does not count, or NULL; then the key is in `ret`. */
const char *given_check(const Environment *environment, const Request *request,
                        uint8_t ret[static MAC_KEY_SIZE]);

/* An array of {name, hmac}; NULL without memory. */
json_object *given_environment(const Environment *environment, const Request *request,
                               const uint8_t key[static MAC_KEY_SIZE]);
/* An array of {name, hmac, size} or {name, error} of a directory's regular files. */
json_object *given_certs(const char *path, const Request *request,
                         const uint8_t key[static MAC_KEY_SIZE]);
/* How many given_certs() would show. */
size_t given_count_certs(const char *path);
