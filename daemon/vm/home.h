/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every CVM uses of the daemon it lives in: the loop, directories, events, the service
 * manager, and the table of its neighbours. Borrowed by each Vm, and outlives them all; the manager
 * embeds it.
 */

#include <sys/types.h>
#include <uv.h>

#include "driver/driver.h"
#include "local/artifact_files.h"
#include "local/committer.h"
#include "local/config.h"
#include "local/ledger.h"
#include "local/metrics.h"
#include "local/turns.h"
#include "systemd/bus.h"
#include "vm/events.h"
#include "vm/table.h"
#include "vm/vm.h"

typedef struct VmHome {
        uv_loop_t *loop;
        const Config *config; /* as of the last reload */
        Drivers drivers;
        Events *events;
        Bus *systemd;                            /* the service manager, or NULL (confine.h) */
        ArtifactFiles *files;                    /* of drivers that go by path */
        Ledger *artifact_ledger, *secret_ledger; /* what users have of the host's memory */
        Ledger *console_ledger;                  /* likewise: output that waits for the disk */
        int vms_fd, shares_fd;                   /* below RUNTIME */
        int records_fd, consoles_fd;             /* below STATE */
        Committer *records;                      /* what writes the records */
        DiskQueue *disk;                         /* where consoles are written and removed */
        Turns *turns;       /* of work with the host and the daemon's own files, which answer */
        Turns *large_turns; /* of what of that takes much memory */
        char *runtime_path; /* RUNTIME, absolute */
        char boot_id[37];
        Metrics metrics; /* what the daemon counts of itself */
        VmTable table;
        List watches; /* of all CVMs */
} VmHome;
