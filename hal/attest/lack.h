/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why a part of the evidence is missing, or a request fails: a word for programs, which
 * cvm-attest(7) lists, and a sentence for people. */

#include "base/macros.h"

#define LACK_ABSENT "absent"         /* this machine does not have it */
#define LACK_LOCKED_OUT "locked-out" /* the TPM is in lockout */
#define LACK_REFUSED "refused"       /* the TPM refused what the client gave */
#define LACK_TOO_LARGE "too-large"   /* more than cvm-attest(7) allows */
#define LACK_FAILED "failed"

typedef struct Lack {
        const char *reason; /* one of the words above */
        char message[192];
} Lack;

/* Fills it in. Returns `r`, a -errno, so that a caller can return it in turn. */
int lack_set(Lack *lack, int r, const char *reason, const char *format, ...) _printf_(4, 5);
