/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_logs.h"

#include <stdio.h>

#include "base/json.h"
#include "manager/manager.h"

#define NAME_SIZE 64 /* of a UUID and ".svsm" */

static const char *svsm_name(const Vm *vm, char buffer[static NAME_SIZE])
{
        snprintf(buffer, NAME_SIZE, "%s.svsm", vm->id);
        return buffer;
}

static int open_log(Manager *manager, const char *name, Console **ret)
{
        const Config *config = manager->config;

        return console_new(manager->consoles_fd, name, config->console_bytes, config->console_files,
                           ret);
}

int vm_logs_open(Manager *manager, Vm *vm)
{
        char name[NAME_SIZE];
        int r = open_log(manager, vm->id, &vm->console);

        if (r == 0 && json_member_bool(json_member(vm->spec, "svsm"), "log", false))
                r = open_log(manager, svsm_name(vm, name), &vm->svsm_log);
        return r;
}

void vm_logs_remove(Manager *manager, const Vm *vm)
{
        char name[NAME_SIZE];

        console_remove(manager->consoles_fd, vm->id, manager->config->console_files);
        console_remove(manager->consoles_fd, svsm_name(vm, name), manager->config->console_files);
}
