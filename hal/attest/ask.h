/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A request to cvm-attest: one line, a JSON object with the member `method`, see cvm-attest(7).
 * Unknown members are refused. */

#include "base/macros.h"

#define ASK_LINE_MAX 65536 /* bytes of a request */
#define ASK_RANDOM_SIZE 32
#define ASK_BLOB_MAX 1024 /* bytes of a structure of the TPM's */

typedef enum AskMethod { ASK_EVIDENCE, ASK_ACTIVATE } AskMethod;

typedef struct AskBlob {
        uint8_t bytes[ASK_BLOB_MAX];
        size_t size;
} AskBlob;

typedef struct Ask {
        AskMethod method;
        /* ASK_EVIDENCE: the client's random, and what it wants. */
        uint8_t random[ASK_RANDOM_SIZE];
        bool tsm, svsm, tpm;
        /* ASK_ACTIVATE: a TPM2B_ID_OBJECT and a TPM2B_ENCRYPTED_SECRET. */
        AskBlob credential, secret;
} Ask;

typedef struct AskRefusal {
        const char *field; /* NULL: the request as a whole */
        char message[160];
} AskRefusal;

/* Returns 0, or -EBADMSG with the reason. */
int ask_parse(const char *line, size_t size, Ask *ret, AskRefusal *ret_refusal);
