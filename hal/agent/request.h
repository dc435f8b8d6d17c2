/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A request: one line, a JSON object. Its members are optional.
 *
 * nonce  base64 of 1 to 64 bytes, filled up with zeros to 64: a report over it is wanted.
 * proof  64 hex digits, with a nonce only: shows that the client has the key of this launch
 *        (answer.h), without which the guest tells nothing of what it was given.
 */

#include "mac.h"
#include "report.h"

#define REQUEST_MAX 65536 /* bytes of a line */

typedef struct Request {
        bool has_nonce;
        uint8_t nonce[REPORT_NONCE_SIZE];
        bool has_proof;
        uint8_t proof[(MAC_HEX_SIZE - 1) / 2];
} Request;

/* Returns 0, or -EBADMSG with a reason (newly allocated; NULL without memory) for the client. */
int request_parse(const char *line, size_t size, Request *ret, char **ret_reason);
