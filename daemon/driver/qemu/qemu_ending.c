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

const char *qemu_ending_told(const char *reason, bool panicked)
{
        if (panicked)
                return "guest-panic";
        if (!reason)
                return NULL;
        if (strcmp(reason, "guest-panic") == 0)
                return "guest-panic";
        if (strcmp(reason, "guest-shutdown") == 0)
                return "power-off";
        if (strcmp(reason, "guest-reset") == 0)
                return "guest-reset";
        if (strcmp(reason, "host-error") == 0 || strcmp(reason, "internal-error") == 0)
                return "internal-error";
        if (strcmp(reason, "shutdown") == 0) /* QEMU's state after both */
                return "power-off-or-reboot";
        return "stopped";
}

const char *qemu_ending_reason(const char *told, const DriverEnding *ending)
{
        if (told && strcmp(told, "stopped") != 0)
                return told;
        if (ending->has_signal)
                return "qemu-signal";
        if (ending->has_exit_code && ending->exit_code != 0)
                return "qemu-exit";
        if (told)
                return told;
        return ending->has_exit_code ? "qemu-exit" : "lost";
}
