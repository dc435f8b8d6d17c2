/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "spec/spec_internal.h"

static const char *const removes[_SPEC_REMOVE_MAX] = {
        [SPEC_REMOVE_NEVER] = "never",
        [SPEC_REMOVE_FAILED_LAUNCH] = "failed-launch",
        [SPEC_REMOVE_ENDED] = "ended",
};

const char *spec_remove_name(SpecRemove remove)
{
        return removes[remove];
}

int spec_remove_parse(const char *name, SpecRemove *ret)
{
        for (SpecRemove i = 0; i < _SPEC_REMOVE_MAX; i++)
                if (!name || strcmp(removes[i], name) == 0) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

int spec_parse_remove(const char *text, CvmSpec *spec, CvmError *error)
{
        int remove = spec_choose(text, removes, _SPEC_REMOVE_MAX, SPEC_REMOVE_NEVER, "", "remove",
                                 "must be 'never', 'failed-launch' or 'ended'", error);

        spec->remove = remove < 0 ? SPEC_REMOVE_NEVER : (SpecRemove)remove;
        return 0;
}
