/* SPDX-License-Identifier: Apache-2.0 */
#include "local/disk_queue.h"

#include <stdlib.h>

struct DiskQueue {
        uv_loop_t *loop;
        STAILQ_HEAD(, DiskJob) waiting;
        DiskJob *works; /* the worker has it; NULL: there is none */
        uv_work_t work;
};

DiskQueue *disk_queue_new(uv_loop_t *loop)
{
        DiskQueue *queue = calloc(1, sizeof(*queue));

        if (!queue)
                return NULL;
        queue->loop = loop;
        STAILQ_INIT(&queue->waiting);
        return queue;
}

/* Takes the first job that waits; NULL if there is none. */
static DiskJob *disk_queue_take(DiskQueue *queue)
{
        DiskJob *job = STAILQ_FIRST(&queue->waiting);

        if (job)
                STAILQ_REMOVE_HEAD(&queue->waiting, entry);
        return job;
}

DiskQueue *disk_queue_free(DiskQueue *queue)
{
        DiskJob *job;

        while (queue && (job = disk_queue_take(queue))) {
                job->run(job);
                job->done(job);
        }
        free(queue);
        return NULL;
}

static void on_work(uv_work_t *work)
{
        DiskQueue *queue = container_of(work, DiskQueue, work);

        queue->works->run(queue->works);
}

static void disk_queue_next(DiskQueue *queue);

static void on_done(uv_work_t *work, int status)
{
        DiskQueue *queue = container_of(work, DiskQueue, work);
        DiskJob *job = TAKE_PTR(queue->works);

        disk_queue_next(queue);
        job->done(job);
}

static void disk_queue_next(DiskQueue *queue)
{
        if (queue->works || !(queue->works = disk_queue_take(queue)))
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

bool disk_queue_is_idle(const DiskQueue *queue)
{
        return !queue || (!queue->works && STAILQ_EMPTY(&queue->waiting));
}
