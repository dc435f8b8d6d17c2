/* SPDX-License-Identifier: Apache-2.0 */
#include "fate.h"

#include <string.h>

static const struct {
        const char *reason;
        ExitCode code;
} fates[] = {
        {"power-off", CLI_DONE},
        {"power-off-or-reboot", CLI_DONE},
        {"stopped", CLI_DONE},
        {"killed", CLI_DONE}, /* somebody stopped it, and QEMU had to be forced */
        {"guest-reset", CLI_GUEST_RESET},
        {"guest-panic", CLI_GUEST_PANIC},
        {"qemu-exit", CLI_QEMU_EXIT},
        {"qemu-signal", CLI_QEMU_SIGNAL},
        {"internal-error", CLI_INTERNAL_ERROR},
        {"expired", CLI_DONE}, /* as its spec wanted */
        {"lost", CLI_LOST},
        {"companion", CLI_COMPANION},
};

ExitCode fate_exit_code(const char *reason, bool failed)
{
        for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
                if (strcmp(fates[i].reason, reason) == 0)
                        return fates[i].code == CLI_DONE && failed ? CLI_GIVEN_UP : fates[i].code;
        return CLI_FAILED;
}
