/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_process.h"

#include <unistd.h>

void vm_process_init(VmProcess *process)
{
        *process = (VmProcess){.runtime_dirfd = -1};
}

void vm_process_done(VmProcess *process)
{
        vm_process_close_directory(process);
        free(process->scope);
}

void vm_process_set_directory(VmProcess *process, int fd)
{
        vm_process_close_directory(process);
        process->runtime_dirfd = fd;
}

void vm_process_close_directory(VmProcess *process)
{
        if (process->runtime_dirfd >= 0)
                close(TAKE_FD(process->runtime_dirfd));
}

void vm_process_set_scope(VmProcess *process, char *unit)
{
        free(process->scope);
        process->scope = unit;
}

int vm_process_start(VmProcess *process, DriverHome *home, const DriverStart *start,
                     const DriverCallbacks *callbacks, void *userdata, CvmError *error)
{
        return home->ops->start(home, start, callbacks, userdata, &process->driver, error);
}

int vm_process_adopt(VmProcess *process, DriverHome *home, const char *id, json_object *record,
                     const DriverCallbacks *callbacks, void *userdata)
{
        return home->ops->adopt(home, id, record, process->runtime_dirfd, callbacks, userdata,
                                &process->driver);
}

void vm_process_close_driver(VmProcess *process)
{
        DriverVm *driver = TAKE_PTR(process->driver);

        if (driver)
                driver->ops->close(driver);
}

int vm_process_start_companions(VmProcess *process, uv_loop_t *loop, const CompanionsStart *start,
                                const CompanionCallbacks *callbacks, void *userdata,
                                CvmError *error)
{
        return companions_start(loop, start, callbacks, userdata, &process->companions, error);
}

int vm_process_adopt_companions(VmProcess *process, uv_loop_t *loop, json_object *record,
                                bool connects, const CompanionCallbacks *callbacks, void *userdata)
{
        return companions_adopt(loop, record, process->runtime_dirfd, connects, callbacks, userdata,
                                &process->companions);
}

void vm_process_end_companions(VmProcess *process)
{
        companions_end(TAKE_PTR(process->companions));
}

void vm_process_close_companions(VmProcess *process)
{
        companions_close(TAKE_PTR(process->companions));
}
