/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/qemu/qemu_command.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail_point.h"

typedef struct Command {
        DriverDone done;
        void *userdata;
} Command;

static void on_command(QmpClient *client, json_object *result, const char *error_class,
                       const char *error_text, void *userdata)
{
        _cleanup_free_ Command *command = userdata;

        int r = result ? 0 : strcmp(error_class, "Disconnected") == 0 ? -ECONNRESET : -EIO;

        command->done(r, error_text, command->userdata);
}

int qemu_command(QmpClient *client, const char *name, DriverDone done, void *userdata)
{
        Command *command;
        int r;

        if (!client)
                return -ECONNRESET;
        fail_point("qemu: to be commanded");
        command = calloc(1, sizeof(*command));
        if (!command)
                return -ENOMEM;
        *command = (Command){.done = done, .userdata = userdata};
        r = qmp_client_execute(client, name, NULL, on_command, command);
        if (r < 0)
                free(command);
        return r;
}
