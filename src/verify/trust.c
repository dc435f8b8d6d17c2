/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/trust.h"

void trust_check(const Trust *trust, const KnownRoot *known, const char *maker, Findings *findings)
{
        static const char check[] = "certificates";
        X509 *root = trust->root ?: certificates_root(trust->others);
        const KnownRoot *found = root ? certificate_known(root, known) : NULL;
        const char *reason;

        if (!root)
                findings_unchecked(findings, NEEDED, check,
                                   "there is no root: none is given (--root-ca), and the chain "
                                   "has none");
        else if (!certificates_verify(trust->others, trust->leaf, root, trust->at, &reason))
                findings_wrong(findings, check, "%s", reason);
        else if (!trust->root && !found)
                findings_wrong(findings, check, "the chain ends in a root that is not %s", maker);
        else
                findings_right(findings, NEEDED, check, "up to %s",
                               found ? found->name : "the root that is given");
}
