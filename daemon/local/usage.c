/* SPDX-License-Identifier: Apache-2.0 */
#include "local/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

#define USAGE_CGROUPS "/sys/fs/cgroup"
#define USAGE_FILE_MAX 65536u /* io.stat has a line a device */

static const char *const counters[_USAGE_COUNTER_MAX] = {
        [USAGE_CPU_USEC] = "cpuUsec",
        [USAGE_CPU_USER_USEC] = "cpuUserUsec",
        [USAGE_CPU_SYSTEM_USEC] = "cpuSystemUsec",
        [USAGE_MEMORY] = "memory",
        [USAGE_MEMORY_PEAK] = "memoryPeak",
        [USAGE_MEMORY_HIGH] = "memoryHigh",
        [USAGE_MEMORY_MAX] = "memoryMax",
        [USAGE_READ_BYTES] = "readBytes",
        [USAGE_WRITTEN_BYTES] = "writtenBytes",
        [USAGE_READS] = "reads",
        [USAGE_WRITES] = "writes",
        [USAGE_RECEIVED_BYTES] = "receivedBytes",
        [USAGE_SENT_BYTES] = "sentBytes",
        [USAGE_TASKS] = "tasks",
};

const char *usage_source_name(UsageSource source)
{
        static const char *const names[_USAGE_SOURCE_MAX] = {
                [USAGE_OF_PROCESS] = "process", [USAGE_OF_SCOPE] = "scope"};

        return names[source];
}

const char *usage_counter_name(UsageCounter counter)
{
        return counters[counter];
}

/* Up to the first byte that is not a digit; -1 if there is no number, as in "max". */
static int64_t usage_parse_number(const char *text)
{
        _cleanup_free_ char *digits = strndup(text, strspn(text, "0123456789"));
        uint64_t number;

        return digits && text_parse_uint(digits, 0, INT64_MAX, &number) == 0 ? (int64_t)number : -1;
}

/* The number after "KEY" and a separator; -1: none. before: '\n' if the key begins a line, ' ' if
 * it follows a blank. Moves *text behind the key. */
static int64_t usage_find_number(const char **text, const char *key, char before)
{
        size_t length = strlen(key);

        for (const char *p = *text; (p = strstr(p, key)); p += length) {
                bool begins = p == *text ? before == '\n' : p[-1] == before;

                if (!begins || !strchr(" =:", p[length]) || !p[length])
                        continue;
                *text = p + length;
                p += length + 1;
                return usage_parse_number(p + strspn(p, " \t"));
        }
        return -1;
}

/* Only at the start of a line: elsewhere in a process's status is its name, which is its own
 * choice. */
static int64_t usage_find(const char *text, const char *key)
{
        return usage_find_number(&text, key, '\n');
}

/* Of all lines, in which the key follows a blank; -1 if none has the key. */
static int64_t usage_sum(const char *text, const char *key)
{
        int64_t sum = -1, number;

        while ((number = usage_find_number(&text, key, ' ')) >= 0)
                sum = (sum < 0 ? 0 : sum) + number;
        return sum;
}

static int64_t usage_read_number(int dirfd, const char *path)
{
        _cleanup_free_ char *text = NULL;

        return file_read_at(dirfd, path, USAGE_FILE_MAX, &text, NULL) < 0
                       ? -1
                       : usage_parse_number(text);
}

bool usage_read_scope(int dirfd, Usage *usage)
{
        static const struct {
                UsageCounter counter;
                const char *file;
        } numbers[] = {
                {USAGE_MEMORY, "memory.current"},   {USAGE_MEMORY_PEAK, "memory.peak"},
                {USAGE_MEMORY_HIGH, "memory.high"}, {USAGE_MEMORY_MAX, "memory.max"},
                {USAGE_TASKS, "pids.current"},
        };
        _cleanup_free_ char *cpu = NULL, *io = NULL;
        int64_t *to = usage->counters;

        if (file_read_at(dirfd, "cpu.stat", USAGE_FILE_MAX, &cpu, NULL) < 0)
                return false;
        to[USAGE_CPU_USEC] = usage_find(cpu, "usage_usec");
        to[USAGE_CPU_USER_USEC] = usage_find(cpu, "user_usec");
        to[USAGE_CPU_SYSTEM_USEC] = usage_find(cpu, "system_usec");
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                to[numbers[i].counter] = usage_read_number(dirfd, numbers[i].file);
        if (file_read_at(dirfd, "io.stat", USAGE_FILE_MAX, &io, NULL) < 0)
                return true;
        /* a scope that has not used a device yet has no line of it */
        to[USAGE_READ_BYTES] = *io ? usage_sum(io, "rbytes") : 0;
        to[USAGE_WRITTEN_BYTES] = *io ? usage_sum(io, "wbytes") : 0;
        to[USAGE_READS] = *io ? usage_sum(io, "rios") : 0;
        to[USAGE_WRITES] = *io ? usage_sum(io, "wios") : 0;
        return true;
}

int usage_open_scope(int root_fd, const char *text, const char *unit)
{
        const char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
        _cleanup_free_ char *path = NULL;
        const char *name;
        int fd;

        if (!line)
                return -ENOENT;
        line += strspn(line, "\n") + strlen("0::/");
        path = strndup(line, strcspn(line, "\n"));
        if (!path)
                return -ENOMEM;
        name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        /* ".." leads out of this process's namespace */
        if (strcmp(name, unit) != 0 || strncmp(path, "..", 2) == 0)
                return -ENOENT;
        fd = openat(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static bool usage_try_scope(pid_t pid, const char *unit, Usage *usage)
{
        _cleanup_close_ int root = open(USAGE_CGROUPS, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int dirfd = -1;
        _cleanup_free_ char *text = NULL;
        char path[40];

        snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
        if (root < 0 || file_read_at(AT_FDCWD, path, USAGE_FILE_MAX, &text, NULL) < 0)
                return false;
        dirfd = usage_open_scope(root, text, unit);
        return dirfd >= 0 && usage_read_scope(dirfd, usage);
}

static void usage_read_process(pid_t pid, const ProcessStat *stat, Usage *usage)
{
        int64_t tick = 1000000 / sysconf(_SC_CLK_TCK), peak;
        _cleanup_free_ char *io = NULL, *status = NULL;
        int64_t *to = usage->counters;
        char path[40];

        to[USAGE_CPU_USER_USEC] = (int64_t)stat->user_ticks * tick;
        to[USAGE_CPU_SYSTEM_USEC] = (int64_t)stat->system_ticks * tick;
        to[USAGE_CPU_USEC] = to[USAGE_CPU_USER_USEC] + to[USAGE_CPU_SYSTEM_USEC];
        to[USAGE_MEMORY] = (int64_t)stat->resident_pages * sysconf(_SC_PAGESIZE);
        to[USAGE_TASKS] = (int64_t)stat->threads;
        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        if (file_read_at(AT_FDCWD, path, USAGE_FILE_MAX, &status, NULL) == 0 &&
            (peak = usage_find(status, "VmHWM")) >= 0)
                to[USAGE_MEMORY_PEAK] = peak * 1024;
        /* readable by who may trace the process: a user's own daemon */
        snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
        if (file_read_at(AT_FDCWD, path, USAGE_FILE_MAX, &io, NULL) < 0)
                return;
        to[USAGE_READ_BYTES] = usage_find(io, "read_bytes");
        to[USAGE_WRITTEN_BYTES] = usage_find(io, "write_bytes");
}

/* What the host's end of a tap sends, the guest receives. */
static void usage_read_tap(const char *tap, Usage *usage)
{
        char path[64 + 16]; /* IFNAMSIZ */

        snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/tx_bytes", tap);
        usage->counters[USAGE_RECEIVED_BYTES] = usage_read_number(AT_FDCWD, path);
        snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/rx_bytes", tap);
        usage->counters[USAGE_SENT_BYTES] = usage_read_number(AT_FDCWD, path);
}

static void usage_clear(Usage *usage)
{
        usage->source = USAGE_OF_NOTHING;
        for (size_t i = 0; i < _USAGE_COUNTER_MAX; i++)
                usage->counters[i] = -1;
}

void usage_read(pid_t pid, uint64_t start_time, const char *scope, const char *tap, Usage *ret)
{
        ProcessStat stat, after;

        usage_clear(ret);
        ret->at = clock_now_usec();
        if (pid <= 0 || process_stat(pid, &stat) < 0 || stat.start_time != start_time)
                return;
        ret->source = scope && usage_try_scope(pid, scope, ret) ? USAGE_OF_SCOPE : USAGE_OF_PROCESS;
        if (ret->source == USAGE_OF_PROCESS)
                usage_read_process(pid, &stat, ret);
        if (tap)
                usage_read_tap(tap, ret);
        /* another process may have got the pid meanwhile */
        if (process_stat(pid, &after) < 0 || after.start_time != start_time)
                usage_clear(ret);
}
