/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A request: one line, a JSON object. Its only member, `nonce`, is optional: base64 of 1 to 64
 * bytes over which a report is wanted, filled up with zeros to 64. */

#include "report.h"

#define REQUEST_MAX 65536 /* bytes of a line */

typedef struct Request {
        bool has_nonce;
        uint8_t nonce[REPORT_NONCE_SIZE];
} Request;

/* Returns 0, or -EBADMSG with a reason (newly allocated; NULL without memory) for the client. */
int request_parse(const char *line, size_t size, Request *ret, char **ret_reason);
