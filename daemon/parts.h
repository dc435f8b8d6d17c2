/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a daemon consists of besides its socket, and the order in which it starts: the manager, the
 * CVMs in the records, those of them that have ended and do not stay, what guests may reach of this
 * host, machines. */

#include "api/machine.h"
#include "manager/ended.h"
#include "manager/manager.h"

typedef struct Parts {
        Manager *manager;
        Ended *ended;
        Machines *machines; /* NULL: CVMs are not registered as machines */
        bool misconfigured; /* it could not start because of a template or the configuration */
} Parts;

/* config must outlive the parts. On failure some may be there: parts_close() and parts_free() are
 * needed then, too. */
int parts_start(uv_loop_t *loop, const Config *config, const ManagerDirectories *directories,
                Parts *parts, CvmError *error);
/* Lets go of all CVMs without ending them; handles close in the loop's next rounds, after which
 * parts_free() may be called. */
void parts_close(Parts *parts);
void parts_free(Parts *parts);
