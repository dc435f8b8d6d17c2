/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Processes by pidfd. A pid alone identifies no process: it may be another process a moment later.
 * Identity is pid + start time (field 22 of /proc/PID/stat, clock ticks since boot, proc(5)) in one
 * boot.
 */

#include <sys/types.h>

#include "base/macros.h"

int process_open(pid_t pid);                      /* pidfd (CLOEXEC), -ESRCH: gone */
int process_signal(int pidfd, int signal);        /* 0 or -errno; -ESRCH: it is gone */
int process_start_time(pid_t pid, uint64_t *ret); /* 0, -ESRCH, or -errno */

/* Of /proc/PID/stat (proc(5)), all of one process. Ticks: of sysconf(_SC_CLK_TCK). */
typedef struct ProcessStat {
        uint64_t user_ticks, system_ticks; /* of all its threads, ended ones too */
        uint64_t threads;
        uint64_t start_time;
        uint64_t resident_pages;
} ProcessStat;
int process_stat(pid_t pid, ProcessStat *ret); /* 0, -ESRCH, or -errno; *ret is set in part */

/* The status that wait(2) gave or will give to the parent of a process that has ended, for any
 * process that has its pidfd. Returns 0; -EAGAIN if its parent has not waited for it yet, or the
 * kernel never reports it (before Linux 6.15); another -errno if it will never be known. */
int process_exit_status(int pidfd, int *ret);

/* The uid that it acts with (proc(5), status). */
int process_uid(pid_t pid, uid_t *ret); /* 0, -ESRCH, or -errno */

/* Bytes of memory that the process has resident, shared ones included (proc(5), statm). */
int process_resident(pid_t pid, uint64_t *ret); /* 0, -ESRCH, or -errno */

/* A pidfd for exactly that process: -ESRCH if the pid is gone or belongs to another one now. */
int process_open_verified(pid_t pid, uint64_t start_time);

/* The kernel's boot id (36 characters), see random(4). */
int process_boot_id(char ret[static 37]);
