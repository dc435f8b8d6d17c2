/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_logs.h"

#include <stdio.h>

#include "base/json.h"
#include "vm/home.h"

#define NAME_SIZE 64 /* of a UUID and ".svsm" */

static const char *svsm_name(const Vm *vm, char buffer[static NAME_SIZE])
{
        snprintf(buffer, NAME_SIZE, "%s.svsm", vm->id);
        return buffer;
}

static int open_log(const VmHome *home, const char *name, Console **ret)
{
        const Config *config = home->config;

        return console_new(home->consoles_fd, name, config->console_bytes, config->console_files,
                           ret);
}

int vm_logs_open(Vm *vm)
{
        char name[NAME_SIZE];
        int r = open_log(vm->home, vm->id, &vm->console);

        if (r == 0 && json_member_bool(json_member(vm->spec, "svsm"), "log", false))
                r = open_log(vm->home, svsm_name(vm, name), &vm->svsm_log);
        return r;
}

uint64_t vm_logs_count(Vm *vm)
{
        const VmHome *home = vm->home;
        char name[NAME_SIZE];

        if (!vm->logs_are_counted)
                vm->log_bytes =
                        console_size(home->consoles_fd, vm->id, home->config->console_files) +
                        console_size(home->consoles_fd, svsm_name(vm, name),
                                     home->config->console_files);
        vm->logs_are_counted = true;
        return vm->log_bytes;
}

void vm_logs_remove(const Vm *vm)
{
        char name[NAME_SIZE];

        console_remove(vm->home->consoles_fd, vm->id, vm->home->config->console_files);
        console_remove(vm->home->consoles_fd, svsm_name(vm, name), vm->home->config->console_files);
}
