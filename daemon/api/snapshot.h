/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the daemon and its CVMs are at one time, as the method Metrics shows it. It is taken on the
 * loop, completed in a worker, which reads /proc, and written as text there; cvmd(8) lists the
 * families.
 */

#include "local/exposition.h"
#include "manager/manager.h"

typedef enum SnapshotQueue {
        SNAPSHOT_FILES,    /* users' files to be read */
        SNAPSHOT_HOST,     /* work with the host and the daemon's own files */
        SNAPSHOT_LARGE,    /* work that takes much memory, such as logs to be encoded */
        SNAPSHOT_COMMITS,  /* records to be brought to the disk */
        SNAPSHOT_CLOSES,   /* descriptors to be closed */
        SNAPSHOT_LAUNCHES, /* launches; those wait whose user has none of the turns left */
        _SNAPSHOT_QUEUE_MAX,
} SnapshotQueue;

typedef struct SnapshotCvm {
        pid_t pid; /* of its hypervisor; 0: none */
        uint64_t promised;
} SnapshotCvm;

typedef struct Snapshot {
        const Manager *manager; /* borrowed; a worker uses only what never changes */
        Metrics metrics;
        size_t (*cvms)[_VM_STATE_MAX]; /* owned; of each template, and of all other platforms, which
                                        * count as those of a template named METRICS_OTHER, if
                                        * there is one */
        size_t n_ready, n_connections, n_cvms_max;
        struct {
                size_t waiting, working;
        } queues[_SNAPSHOT_QUEUE_MAX];
        SnapshotCvm *live; /* owned; the live CVMs */
        size_t n_live;

        /* by snapshot_complete() */
        uint64_t promised, resident, available; /* bytes; available 0: not known */
        uint64_t own_resident, cpu_nsec;
        size_t n_fds, n_fds_max, n_threads;
} Snapshot;

/* How many platforms have samples of their own: what `cvms` has. */
size_t snapshot_n_platforms(const Manager *manager);
/* On the loop. n_connections: of the daemon's socket. Returns 0 or -ENOMEM. */
int snapshot_take(const Manager *manager, size_t n_connections, Snapshot *ret);
void snapshot_done(Snapshot *snapshot);
/* Reads what the kernel counts, in any thread. What cannot be read stays 0. */
void snapshot_complete(Snapshot *snapshot);
/* Returns 0 with the text in *ret (owned by the caller), or -ENOMEM. In any thread. */
int snapshot_to_text(const Snapshot *snapshot, ExpositionFormat format, char **ret);
