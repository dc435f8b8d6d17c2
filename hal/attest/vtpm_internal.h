/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parts of vtpm.h share. */

#include <tss2/tss2_esys.h>

#include "vtpm.h"

struct Vtpm {
        TSS2_TCTI_CONTEXT *tcti; /* owned */
        ESYS_CONTEXT *esys;      /* owned */
        ESYS_TR ek, ak;
        VtpmIdentity identity;
};

/* What a response code means, for a sentence that begins with `what`. Returns a -errno. */
int vtpm_explain(Lack *lack, TSS2_RC rc, const char *what);

/* Makes both keys of a kind and fills in the identity's public areas. */
int vtpm_make_keys(Vtpm *vtpm, VtpmKind kind, Lack *lack);

/* The certificate of the endorsement key of that kind, newly allocated. Returns 0 or -errno with
 * the reason (-ENOENT: it has none). */
int vtpm_read_certificate(Vtpm *vtpm, VtpmKind kind, uint8_t **ret, size_t *ret_size, Lack *lack);
