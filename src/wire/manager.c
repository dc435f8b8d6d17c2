/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/manager.h"

const char wire_manager_interface[] =
#include "io.cvmd.Manager.inc" /* made by embed.sed */
        ;

const char wire_machine_interface[] =
#include "io.systemd.MachineInstance.inc"
        ;
