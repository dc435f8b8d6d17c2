/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The evidence object of cvm-attest(7): what this guest's platform, its SVSM and its TPM say for a
 * binding. What is missing is named in the object, with the reason.
 *
 * One request at a time uses TPM and TSM; others wait for it.
 */

#include <pthread.h>

#include "ask.h"
#include "base/attest_binding.h"
#include "vtpm.h"

#define EVIDENCE_LOG_MAX (1 << 20) /* bytes of an event log */
#define EVIDENCE_ANSWER_MAX (8 << 20)

/* Where this machine has what it is made from. */
typedef struct EvidenceSources {
        const char *tsm;       /* directory of the kernel's TSM interface */
        const char *tpm;       /* device of a TPM */
        const char *event_log; /* of the firmware, by TPM */
        const char *ccel;      /* of the firmware of a TDX guest */
} EvidenceSources;

typedef struct EvidenceMaker {
        EvidenceSources sources;
        pthread_mutex_t mutex;
        Vtpm *tpm; /* owned; NULL until it is first wanted, and where there is none */
} EvidenceMaker;

/* The answer to a request, one line with its line feed, newly allocated; NULL without memory.
 * `session` is the connection's, with the client's random. */
char *evidence_answer(EvidenceMaker *maker, const Ask *ask, const AttestSession *session);

/* The answer to what cannot be answered. `field` may be NULL. */
char *evidence_error(const char *reason, const char *field, const char *message);
