/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/qemu/qemu_ending.h"

#include <string.h>
#include <sys/wait.h>

void qemu_ending_set_status(DriverEnding *ending, int status)
{
        ending->has_exit_code = WIFEXITED(status);
        ending->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        ending->has_signal = WIFSIGNALED(status);
        ending->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* ShutdownCause (qapi/run-state.json); with any other, another program has ended QEMU. */
EndingKind qemu_ending_of_shutdown(const char *reason)
{
        static const struct {
                const char *reason;
                EndingKind kind;
        } causes[] = {
                {"guest-panic", ENDING_GUEST_PANIC},
                {"guest-shutdown", ENDING_POWER_OFF},
                {"guest-reset", ENDING_GUEST_RESET},
                {"host-error", ENDING_INTERNAL_ERROR},
        };

        for (size_t i = 0; reason && i < ARRAY_SIZE(causes); i++)
                if (strcmp(causes[i].reason, reason) == 0)
                        return causes[i].kind;
        return ENDING_STOPPED;
}

EndingKind qemu_ending_of_state(RunState state)
{
        switch (state) {
        case RUN_STATE_SHUTDOWN: /* QEMU's state after both */
                return ENDING_POWER_OFF_OR_REBOOT;
        case RUN_STATE_GUEST_PANICKED:
                return ENDING_GUEST_PANIC;
        case RUN_STATE_INTERNAL_ERROR:
                return ENDING_INTERNAL_ERROR;
        default:
                return ENDING_NONE;
        }
}

EndingKind qemu_ending_conclude(EndingKind told, const DriverEnding *ending)
{
        if (told != ENDING_NONE && told != ENDING_STOPPED)
                return told;
        if (ending->has_signal)
                return ENDING_QEMU_SIGNAL;
        if (ending->has_exit_code && ending->exit_code != 0)
                return ENDING_QEMU_EXIT;
        if (told == ENDING_STOPPED)
                return told;
        return ending->has_exit_code ? ENDING_QEMU_EXIT : ENDING_LOST;
}
