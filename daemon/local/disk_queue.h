/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Work with the daemon's files that no answer waits for, such as writing and removing logs:
 * one job after the other in a worker thread, in the order in which they were added, so that a disk
 * that is slow or does not answer never blocks the loop.
 *
 * Its users bound its length: one job at a time for each log, and one for its removal and its end.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/macros.h"

typedef struct DiskQueue DiskQueue;
typedef struct DiskJob DiskJob;
typedef void (*DiskFunction)(DiskJob *job);

/* To be a part of what works; its members belong to disk_queue.c. */
struct DiskJob {
        DiskFunction run, done;
        STAILQ_ENTRY(DiskJob) entry;
};

/* The loop is borrowed. Returns NULL without memory. */
DiskQueue *disk_queue_new(uv_loop_t *loop);
/* Once the loop has ended; runs what is left in this thread. Accepts NULL. Returns NULL. */
DiskQueue *disk_queue_free(DiskQueue *queue);
DEFINE_CLEANUP(DiskQueue *, disk_queue_free)

/* Calls `run` in the worker, after all jobs that were added before, and then `done` in the loop,
 * which may free the job. The worker gets up to 64 jobs at once, and `done` follows when all of
 * those have run. With queue NULL both are called at once, in this thread. */
void disk_queue_add(DiskQueue *queue, DiskJob *job, DiskFunction run, DiskFunction done);

/* Takes back a job that the worker has not got yet: neither function is called. Returns false if
 * the worker has the job, or has had it. */
bool disk_queue_cancel(DiskQueue *queue, DiskJob *job);

/* Whether all jobs are done. Accepts NULL, for which that is true. */
bool disk_queue_is_idle(const DiskQueue *queue);

/* A job tells that the disk has taken something; from any thread. Accepts NULL. */
void disk_queue_note_progress(DiskQueue *queue);
/* How often a job has told so or has ended: where it stays the same, the disk does not answer. */
uint64_t disk_queue_progress(const DiskQueue *queue);
/* How many jobs are not done. */
size_t disk_queue_count(const DiskQueue *queue);
