/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_logs.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "local/log.h"
#include "vm/console_files.h"
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

        return console_new(home->disk, home->consoles_fd, name, config->console_bytes,
                           config->console_files, ret);
}

int vm_logs_open(Vm *vm)
{
        char name[NAME_SIZE];
        Ledger *ledger = vm->home->console_ledger;
        int r = open_log(vm->home, vm->id, &vm->console);

        if (r == 0 && json_member_bool(json_member(vm->spec, "svsm"), "log", false))
                r = open_log(vm->home, svsm_name(vm, name), &vm->svsm_log);
        if (vm->console)
                console_count_to(vm->console, ledger, vm->account);
        if (vm->svsm_log)
                console_count_to(vm->svsm_log, ledger, vm->account);
        return r;
}

static uint64_t count_log(const VmHome *home, const char *name, const Console *log)
{
        return console_files_size(home->consoles_fd, name, home->config->console_files) +
               (log ? console_unsaved(log) : 0);
}

uint64_t vm_logs_count(Vm *vm)
{
        char name[NAME_SIZE];

        if (!vm->logs_are_counted)
                vm->log_bytes = count_log(vm->home, vm->id, vm->console) +
                                count_log(vm->home, svsm_name(vm, name), vm->svsm_log);
        vm->logs_are_counted = true;
        return vm->log_bytes;
}

void vm_logs_clear(const Vm *vm)
{
        if (console_clear(vm->console) < 0 || (vm->svsm_log && console_clear(vm->svsm_log) < 0))
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "cannot remove its old logs: %s",
                         strerror(ENOMEM));
}

/* log: as it is open, or NULL. */
static void remove_log(const VmHome *home, const char *name, Console *log)
{
        _cleanup_(console_freep) Console *opened = NULL;
        int r = 0;

        if (!log)
                r = open_log(home, name, &opened);
        if (r == 0)
                r = console_remove(log ?: opened);
        if (r < 0)
                log_warning("cannot remove consoles/%s.log: %s", name, strerror(-r));
}

void vm_logs_remove(const Vm *vm)
{
        char name[NAME_SIZE];

        remove_log(vm->home, vm->id, vm->console);
        remove_log(vm->home, svsm_name(vm, name), vm->svsm_log);
}
