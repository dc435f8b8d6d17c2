/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a CVM has used of the host, as the kernel counts it: in the control group of its scope
 * (cgroup v2, Linux Documentation/admin-guide/cgroup-v2), or, without a scope, of its hypervisor
 * alone, in /proc. What neither counts is not known.
 *
 * These files are the kernel's own and wait for no disk, but some of them take locks and add up the
 * counters of all CPUs, and 1,000 CVMs have thousands of them: they are read by a worker.
 */

#include <sys/types.h>

#include "base/macros.h"

typedef enum UsageSource {
        USAGE_OF_NOTHING, /* there is no such process */
        USAGE_OF_PROCESS,
        USAGE_OF_SCOPE,
        _USAGE_SOURCE_MAX,
} UsageSource;

typedef enum UsageCounter {
        USAGE_CPU_USEC,
        USAGE_CPU_USER_USEC, /* for a hypervisor, the time of its guest too */
        USAGE_CPU_SYSTEM_USEC,
        USAGE_MEMORY, /* bytes: charged to the scope, or resident */
        USAGE_MEMORY_PEAK,
        USAGE_MEMORY_HIGH, /* above which the kernel reclaims */
        USAGE_MEMORY_MAX,
        USAGE_READ_BYTES, /* from block devices */
        USAGE_WRITTEN_BYTES,
        USAGE_READS,
        USAGE_WRITES,
        USAGE_RECEIVED_BYTES, /* by the guest, over a tap */
        USAGE_SENT_BYTES,
        USAGE_TASKS, /* processes and threads */
        _USAGE_COUNTER_MAX,
} UsageCounter;

typedef struct Usage {
        UsageSource source;
        int64_t at;                           /* when it was read: microseconds since the epoch */
        int64_t counters[_USAGE_COUNTER_MAX]; /* -1: not known, or there is no limit */
} Usage;

/* "process", "scope"; NULL for USAGE_OF_NOTHING. */
const char *usage_source_name(UsageSource source);
/* The member of the interface's type CvmStats. */
const char *usage_counter_name(UsageCounter counter);

/* Reads it, in any thread. The process is the one that started at start_time (base/process.h).
 * scope: the unit that it should be in, NULL if none. tap: of its guest, NULL if it has none that
 * is known. */
void usage_read(pid_t pid, uint64_t start_time, const char *scope, const char *tap, Usage *ret);

/* Parts of it. The control group's directory of that unit, below root_fd, where the text of
 * /proc/PID/cgroup says that the process is: a descriptor; -ENOENT if it is elsewhere; -errno. */
int usage_open_scope(int root_fd, const char *text, const char *unit);
/* Fills in what the files of a control group's directory say. Returns whether there are any. */
bool usage_read_scope(int dirfd, Usage *usage);
