/* SPDX-License-Identifier: Apache-2.0 */
#include "api/snapshot.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>

#include "base/foreign.h"
#include "base/process.h"
#include "launch/admission.h"
#include "launch/launch.h"

/* The number of templates: there is none of that name. */
static size_t template_index(const TemplateSet *set, const char *name)
{
        size_t i = 0;

        while (i < template_set_size(set) &&
               strcmp(template_name(template_set_get(set, i)), name) != 0)
                i++;
        return i;
}

size_t snapshot_n_platforms(const Manager *manager)
{
        size_t n = template_set_size(manager->templates);

        return n + (template_index(manager->templates, METRICS_OTHER) == n);
}

static size_t platform_index(const Manager *manager, const char *platform)
{
        const TemplateSet *set = manager->templates;
        size_t i = template_index(set, platform);

        return i < template_set_size(set) ? i : template_index(set, METRICS_OTHER);
}

static void snapshot_take_cvms(Snapshot *snapshot)
{
        const Manager *manager = snapshot->manager;
        const Vm *vm;

        VM_TABLE_FOREACH (vm, &manager->home.table) {
                snapshot->cvms[platform_index(manager, vm->platform)][vm->state]++;
                snapshot->n_ready += vm->guest.ready;
                if (vm_state_is_live(vm->state))
                        snapshot->live[snapshot->n_live++] = (SnapshotCvm){
                                vm->process.driver ? vm->ops->pid(vm->process.driver) : 0,
                                vm->promised,
                        };
        }
}

static void snapshot_take_queues(Snapshot *snapshot)
{
        const Manager *manager = snapshot->manager;
        size_t pending, waiting;

        turns_count(manager->turns, &snapshot->queues[SNAPSHOT_FILES].waiting,
                    &snapshot->queues[SNAPSHOT_FILES].working);
        turns_count(manager->home.turns, &snapshot->queues[SNAPSHOT_HOST].waiting,
                    &snapshot->queues[SNAPSHOT_HOST].working);
        turns_count(manager->home.large_turns, &snapshot->queues[SNAPSHOT_LARGE].waiting,
                    &snapshot->queues[SNAPSHOT_LARGE].working);
        committer_count(manager->home.records, &snapshot->queues[SNAPSHOT_COMMITS].waiting,
                        &snapshot->queues[SNAPSHOT_COMMITS].working);
        foreign_count(&snapshot->queues[SNAPSHOT_CLOSES].waiting,
                      &snapshot->queues[SNAPSHOT_CLOSES].working);
        launches_count(manager, &pending, &waiting);
        snapshot->queues[SNAPSHOT_LAUNCHES].waiting = waiting;
        snapshot->queues[SNAPSHOT_LAUNCHES].working = pending - waiting;
}

int snapshot_take(const Manager *manager, size_t n_connections, Snapshot *ret)
{
        Snapshot snapshot = {
                .manager = manager,
                .metrics = manager->home.metrics,
                .n_connections = n_connections,
                .n_cvms_max = manager->home.config->cvms_max,
                .cvms = calloc(snapshot_n_platforms(manager), sizeof(*snapshot.cvms)),
                .live = calloc(manager->home.table.n + 1, sizeof(*snapshot.live)),
        };

        if (!snapshot.cvms || !snapshot.live) {
                snapshot_done(&snapshot);
                return -ENOMEM;
        }
        snapshot_take_cvms(&snapshot);
        snapshot_take_queues(&snapshot);
        *ret = snapshot;
        return 0;
}

void snapshot_done(Snapshot *snapshot)
{
        free(snapshot->cvms);
        free(snapshot->live);
        *snapshot = (Snapshot){};
}

static size_t count_entries(const char *path)
{
        DIR *directory = opendir(path);
        size_t n = 0;

        if (!directory)
                return 0;
        for (const struct dirent *entry; (entry = readdir(directory));)
                n += entry->d_name[0] != '.';
        closedir(directory);
        return n;
}

static void snapshot_complete_process(Snapshot *snapshot)
{
        struct rlimit files;
        struct timespec cpu;
        size_t n_fds = count_entries("/proc/self/fd");

        snapshot->n_fds = n_fds ? n_fds - 1 : 0; /* without the one that read them */
        snapshot->n_threads = count_entries("/proc/self/task");
        (void)process_resident(getpid(), &snapshot->own_resident);
        if (getrlimit(RLIMIT_NOFILE, &files) == 0)
                snapshot->n_fds_max = files.rlim_cur;
        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
                snapshot->cpu_nsec =
                        (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec;
}

void snapshot_complete(Snapshot *snapshot)
{
        uint64_t owed = 0;

        for (size_t i = 0; i < snapshot->n_live; i++) {
                const SnapshotCvm *cvm = &snapshot->live[i];
                uint64_t resident;

                owed += admission_outstanding(cvm->pid, cvm->promised, &resident);
                snapshot->promised += cvm->promised;
                snapshot->resident += resident;
        }
        (void)admission_memory_left(snapshot->manager, owed, &snapshot->available);
        snapshot_complete_process(snapshot);
}
