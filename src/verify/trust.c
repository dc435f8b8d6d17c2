/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/trust.h"

#include <stdio.h>

static void list(const KnownRoot *known, char *ret, size_t size)
{
        size_t at = 0;

        for (*ret = 0; known->name && at < size; known++)
                at += (size_t)snprintf(ret + at, size - at, "%s%s", at ? ", " : "", known->name);
}

void trust_check(const Trust *trust, const KnownRoot *known, const char *maker, const char *hint,
                 Findings *findings)
{
        static const char check[] = "certificates";
        X509 *root = trust->root ?: certificates_root(trust->others);
        const KnownRoot *found = root ? certificate_known(root, known) : NULL;
        char name[CERTIFICATE_NAME_MAX], names[128];
        _cleanup_free_ char *reason = NULL;
        int r;

        if (!root) {
                findings_unchecked(findings, NEEDED, check,
                                   "there is no root: none is given (--root-ca), and the chain "
                                   "does not contain one");
                return;
        }
        certificate_name(root, name);
        list(known, names, sizeof(names));
        r = certificates_verify(trust->others, trust->leaf, root, trust->at, &reason);
        if (r == -ENOMEM)
                findings->no_memory = true;
        else if (r < 0)
                findings_wrong(findings, check, "%s; the root is %s%s%s", reason, name,
                               hint ? ": " : "", hint ?: "");
        else if (!trust->root && !found)
                findings_wrong(findings, check,
                               "the chain ends in %s, a root that is not %s (%s); to trust it, "
                               "pass it with --root-ca",
                               name, maker, names);
        else {
                findings->other_root = !found;
                findings_right(findings, NEEDED, check, "up to %s",
                               found ? found->name : "the given root");
        }
}
