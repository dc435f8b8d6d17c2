/* SPDX-License-Identifier: Apache-2.0 */
#include "local/disk_queue.h"

#include <stdatomic.h>
#include <stdlib.h>

/* What the worker gets at once: each time, it first waits for the work of others. */
#define BATCH_MAX 64u

typedef STAILQ_HEAD(DiskJobs, DiskJob) DiskJobs;

struct DiskQueue {
        uv_loop_t *loop;
        DiskJobs waiting;
        DiskJobs batch; /* the worker has it, unless it is empty */
        uv_work_t work;
        atomic_uint_fast64_t progress;
};

DiskQueue *disk_queue_new(uv_loop_t *loop)
{
        DiskQueue *queue = calloc(1, sizeof(*queue));

        if (!queue)
                return NULL;
        queue->loop = loop;
        STAILQ_INIT(&queue->waiting);
        STAILQ_INIT(&queue->batch);
        return queue;
}

/* Takes the first of the jobs; NULL if there is none. */
static DiskJob *disk_jobs_take(DiskJobs *jobs)
{
        DiskJob *job = STAILQ_FIRST(jobs);

        if (job)
                STAILQ_REMOVE_HEAD(jobs, entry);
        return job;
}

DiskQueue *disk_queue_free(DiskQueue *queue)
{
        DiskJob *job;

        while (queue && (job = disk_jobs_take(&queue->waiting))) {
                job->run(job);
                job->done(job);
        }
        free(queue);
        return NULL;
}

static void on_work(uv_work_t *work)
{
        DiskQueue *queue = container_of(work, DiskQueue, work);
        DiskJob *job;

        STAILQ_FOREACH (job, &queue->batch, entry) {
                job->run(job);
                disk_queue_note_progress(queue);
        }
}

static void disk_queue_next(DiskQueue *queue);

static void on_done(uv_work_t *work, int status)
{
        DiskQueue *queue = container_of(work, DiskQueue, work);
        DiskJobs done = STAILQ_HEAD_INITIALIZER(done);
        DiskJob *job;

        STAILQ_CONCAT(&done, &queue->batch);
        disk_queue_next(queue);
        while ((job = disk_jobs_take(&done)))
                job->done(job);
}

static void disk_queue_next(DiskQueue *queue)
{
        DiskJob *job;

        if (!STAILQ_EMPTY(&queue->batch))
                return;
        for (unsigned i = 0; i < BATCH_MAX && (job = disk_jobs_take(&queue->waiting)); i++)
                STAILQ_INSERT_TAIL(&queue->batch, job, entry);
        if (STAILQ_EMPTY(&queue->batch))
                return;
        /* fails without a function only */
        (void)uv_queue_work(queue->loop, &queue->work, on_work, on_done);
}

void disk_queue_add(DiskQueue *queue, DiskJob *job, DiskFunction run, DiskFunction done)
{
        if (!queue) {
                run(job);
                done(job);
                return;
        }
        job->run = run;
        job->done = done;
        STAILQ_INSERT_TAIL(&queue->waiting, job, entry);
        disk_queue_next(queue);
}

bool disk_queue_cancel(DiskQueue *queue, DiskJob *job)
{
        DiskJob *waiting;

        if (!queue)
                return false;
        STAILQ_FOREACH (waiting, &queue->waiting, entry)
                if (waiting == job)
                        break;
        if (!waiting)
                return false;
        STAILQ_REMOVE(&queue->waiting, job, DiskJob, entry);
        return true;
}

void disk_queue_note_progress(DiskQueue *queue)
{
        if (queue)
                atomic_fetch_add(&queue->progress, 1);
}

uint64_t disk_queue_progress(const DiskQueue *queue)
{
        return atomic_load(&queue->progress);
}

size_t disk_queue_count(const DiskQueue *queue)
{
        const DiskJob *job;
        size_t n = 0;

        STAILQ_FOREACH (job, &queue->batch, entry)
                n++;
        STAILQ_FOREACH (job, &queue->waiting, entry)
                n++;
        return n;
}

bool disk_queue_is_idle(const DiskQueue *queue)
{
        return !queue || (STAILQ_EMPTY(&queue->batch) && STAILQ_EMPTY(&queue->waiting));
}
