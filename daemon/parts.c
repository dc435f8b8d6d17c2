/* SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include "launch/launch.h"
#include "launch/recover.h"
#include "local/log.h"

/* Logs a refusal as one of the file's other members is logged. */
static int check_config(Parts *parts, const Config *config)
{
        _cleanup_free_ char *message = NULL;
        int r = vm_table_check_uids(&parts->manager->home.table, config, &message);

        if (r < 0)
                log_error("%s", message ?: "out of memory");
        parts->misconfigured = r == -EINVAL;
        return r;
}

int parts_start(uv_loop_t *loop, const Config *config, const ManagerDirectories *directories,
                Parts *parts, CvmError *error)
{
        int r = manager_new(loop, config, directories, &parts->manager, error);

        parts->misconfigured = r < 0 && error->id == CVM_ERROR_TEMPLATE_INVALID;
        if (r < 0)
                return r;
        parts->manager->launch_again = launch_again;
        parts->ended = ended_new(parts->manager);
        if (!parts->ended)
                return cvm_error_system(error, -ENOMEM, "start");
        r = recover(parts->manager, error);
        if (r == 0)
                r = check_config(parts, config);
        if (r < 0)
                return r;
        ended_trim(parts->manager);
        host_access_apply(parts->manager);
        return machines_new(parts->manager, directories->runtime, &parts->machines, error);
}

void parts_close(Parts *parts)
{
        if (!parts->manager)
                return;
        host_access_end(parts->manager);
        parts->machines = machines_free(parts->machines);
        parts->ended = ended_close(parts->ended);
        manager_close(parts->manager);
}

void parts_free(Parts *parts)
{
        parts->manager = manager_free(parts->manager);
}
