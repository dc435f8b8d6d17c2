/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ending.h"

#include <assert.h>
#include <string.h>

static const Ending endings[_ENDING_MAX] = {
        [ENDING_POWER_OFF] = {"power-off", false, ENDING_RESTARTS_ALWAYS, 0},
        [ENDING_POWER_OFF_OR_REBOOT] = {"power-off-or-reboot", false, ENDING_RESTARTS_ALWAYS, 0},
        /* a guest that reboots wants to continue, and QEMU cannot reset it */
        [ENDING_GUEST_RESET] = {"guest-reset", false, ENDING_RESTARTS_ON_FAILURE, 10},
        [ENDING_GUEST_PANIC] = {"guest-panic", true, ENDING_RESTARTS_ON_FAILURE, 11},
        [ENDING_STOPPED] = {"stopped", false, ENDING_IS_FINAL, 0},
        [ENDING_KILLED] = {"killed", false, ENDING_IS_FINAL, 0},
        [ENDING_EXPIRED] = {"expired", false, ENDING_IS_FINAL, 0},
        [ENDING_QEMU_EXIT] = {"qemu-exit", true, ENDING_RESTARTS_ON_FAILURE, 12},
        [ENDING_QEMU_SIGNAL] = {"qemu-signal", true, ENDING_RESTARTS_ON_FAILURE, 13},
        [ENDING_INTERNAL_ERROR] = {"internal-error", true, ENDING_RESTARTS_ON_FAILURE, 14},
        [ENDING_LAUNCH_FAILED] = {"launch-failed", true, ENDING_RESTARTS_ON_FAILURE, 1},
        [ENDING_LOST] = {"lost", true, ENDING_RESTARTS_ON_FAILURE, 15},
        [ENDING_COMPANION] = {"companion", true, ENDING_RESTARTS_ON_FAILURE, 17},
        [ENDING_RESTART_FAILED] = {"restart-failed", true, ENDING_RESTARTS_ON_FAILURE, 19},
        [ENDING_SECRETS_GONE] = {"secrets-gone", true, ENDING_IS_FINAL, 19},
        [ENDING_RESTART_REQUESTED] = {"restart-requested", false, ENDING_RESTARTS_ON_FAILURE, 0},
};

const Ending *ending_get(EndingKind kind)
{
        assert(kind > ENDING_NONE && kind < _ENDING_MAX);
        return &endings[kind];
}

EndingKind ending_parse(const char *name)
{
        for (EndingKind kind = ENDING_NONE + 1; name && kind < _ENDING_MAX; kind++)
                if (strcmp(endings[kind].name, name) == 0)
                        return kind;
        return ENDING_NONE;
}

const Ending *ending_find(const char *name)
{
        static const Ending unknown = {NULL, true, ENDING_RESTARTS_ON_FAILURE, 1};
        EndingKind kind = ending_parse(name);

        return kind ? ending_get(kind) : &unknown;
}
