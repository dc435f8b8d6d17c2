/* SPDX-License-Identifier: Apache-2.0 */

/* Why a hypervisor, or a companion, did not come to run: by its end and its last words. */

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "host/qemu_message.h"
#include "launch/launch_internal.h"

/* Whether QEMU, or passt, lost a port that the daemon chose, so that another may do. Where QEMU has
 * ended before its driver began to listen to it, the driver does not know why. */
bool launch_lost_a_port(const Launch *launch, const char *log)
{
        static const char *const signs[] = {
                "Could not set up host forwarding rule",
                "Failed to bind any port",
                "failed to connect to monitor socket",
        };
        bool found = false;

        for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
                found |= strstr(log, signs[i]) != NULL;
        if (!found)
                return false;
        if (!launch->spec->forwards_given)
                return true;
        for (size_t i = 0; i < launch->spec->n_forwards; i++)
                if (launch->spec->forwards[i].host_port == 0)
                        return true;
        return false;
}

/* Which of n disks another program has locked, by what QEMU printed; -1: none, or something else.
 * QEMU's message has two lines: 'Failed to get shared "write" lock' and 'Is another process using
 * the image [/dev/fdset/0]?', with the number that the template gives to the disk. */
static int launch_find_locked_disk(const char *log, size_t n)
{
        static const char sign[] = "Is another process using the image [/dev/fdset/";
        const char *number = strstr(log, sign), *end;
        _cleanup_free_ char *digits = NULL;
        uint64_t index;

        if (!number || n == 0)
                return -1;
        number += strlen(sign);
        end = strchr(number, ']');
        digits = end ? strndup(number, (size_t)(end - number)) : NULL;
        return digits && text_parse_uint(digits, 0, n - 1, &index) == 0 ? (int)index : -1;
}

/* QEMU knows its disks by number only. */
static void launch_describe_lock(Launch *launch, size_t index, const char *log)
{
        const SpecDisk *disk = &launch->spec->disks[index];
        const char *path = disk->path ?: launch->loaded.disk_paths[index];

        cvm_error_launch(&launch->error, launch_current(launch)->stage, log,
                         "disks[%zu] (%s) is in use by another program, which has a lock on it; "
                         "end that program, or use a copy",
                         index, path ?: "sent as a descriptor");
}

void launch_describe_end(Launch *launch, const DriverEnding *ending)
{
        const char *stage = launch_current(launch)->stage;
        char buffer[QEMU_MESSAGE_MAX];
        const char *meaning = qemu_message_explain(ending->log, buffer);
        int locked = launch_find_locked_disk(ending->log, launch->loaded.n_disks);

        if (locked >= 0)
                launch_describe_lock(launch, (size_t)locked, ending->log);
        else if (ending->has_signal)
                cvm_error_launch(&launch->error, stage, ending->log, "QEMU was ended by signal %d",
                                 ending->signal);
        else if (ending->has_exit_code)
                cvm_error_launch(&launch->error, stage, ending->log, "QEMU exited with code %d%s%s",
                                 ending->exit_code, meaning ? ": " : "", meaning ?: "");
        else
                cvm_error_launch(&launch->error, stage, ending->log, "QEMU ended");
}
