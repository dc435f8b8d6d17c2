/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/text.h"

int process_open(pid_t pid)
{
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        if (fd >= 0)
                return fd;
        /* The number of a thread that leads no process: EINVAL from older kernels, ENOENT from
         * newer ones. There is no such process. */
        return pid > 0 && (errno == EINVAL || errno == ENOENT) ? -ESRCH : -errno;
}

int process_signal(int pidfd, int signal)
{
        return pidfd_send_signal(pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

/* PIDFD_GET_INFO and struct pidfd_info of linux/pidfd.h (Linux 6.15), which older headers lack. */
struct pidfd_exit_info {
        uint64_t mask, cgroup_id;
        uint32_t ids[11];
        int32_t exit_code;
};
#define PIDFD_GET_EXIT_INFO _IOWR(0xff, 11, struct pidfd_exit_info)
#define PIDFD_MASK_EXIT (UINT64_C(1) << 3)

int process_exit_status(int pidfd, int *ret)
{
        struct pidfd_exit_info info = {.mask = PIDFD_MASK_EXIT};

        if (ioctl(pidfd, PIDFD_GET_EXIT_INFO, &info) < 0)
                return -errno;
        if (!(info.mask & PIDFD_MASK_EXIT))
                return -EAGAIN;
        *ret = info.exit_code;
        return 0;
}

/* Fields of /proc/PID/stat by their numbers in proc(5), from PROCESS_STAT_FIRST on. */
#define PROCESS_STAT_FIRST 3
#define PROCESS_STAT_FIELDS 24

int process_stat(pid_t pid, ProcessStat *ret)
{
        static const struct {
                unsigned field;
                size_t offset;
        } wanted[] = {
                {14, offsetof(ProcessStat, user_ticks)},
                {15, offsetof(ProcessStat, system_ticks)},
                {20, offsetof(ProcessStat, threads)},
                {22, offsetof(ProcessStat, start_time)},
                {24, offsetof(ProcessStat, resident_pages)},
        };
        _cleanup_free_ char *stat = NULL;
        char path[40], *fields[PROCESS_STAT_FIELDS + 1] = {}, *p, *save = NULL;
        int r;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        r = file_read_at(AT_FDCWD, path, 4096, &stat, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        p = strrchr(stat, ')'); /* the command name, field 2, may hold anything */
        p = p ? strtok_r(p + 1, " ", &save) : NULL;
        for (unsigned i = PROCESS_STAT_FIRST; p && i <= PROCESS_STAT_FIELDS; i++) {
                fields[i] = p;
                p = strtok_r(NULL, " ", &save);
        }
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                uint64_t *to = (uint64_t *)((char *)ret + wanted[i].offset);
                const char *text = fields[wanted[i].field];

                r = text ? text_parse_uint(text, 0, UINT64_MAX, to) : -EBADMSG;
                if (r < 0)
                        return r;
        }
        return 0;
}

int process_start_time(pid_t pid, uint64_t *ret)
{
        ProcessStat stat;
        int r = process_stat(pid, &stat);

        if (r == 0)
                *ret = stat.start_time;
        return r;
}

int process_uid(pid_t pid, uid_t *ret)
{
        _cleanup_free_ char *status = NULL;
        char path[40], *p, *save = NULL;
        uint64_t uid;
        int r;

        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        r = file_read_at(AT_FDCWD, path, 1 << 16, &status, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        p = strstr(status, "\nUid:\t"); /* no name has a line break: it is escaped */
        p = p ? strtok_r(p + strlen("\nUid:\t"), "\t\n", &save) : NULL; /* the real one */
        p = p ? strtok_r(NULL, "\t\n", &save) : NULL;
        r = p ? text_parse_uint(p, 0, UINT32_MAX - 1, &uid) : -EBADMSG;
        if (r == 0)
                *ret = (uid_t)uid;
        return r;
}

int process_resident(pid_t pid, uint64_t *ret)
{
        _cleanup_free_ char *statm = NULL;
        char path[40], *p, *save = NULL;
        uint64_t pages;
        int r;

        snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
        r = file_read_at(AT_FDCWD, path, 4096, &statm, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        p = strtok_r(statm, " ", &save); /* the size */
        p = p ? strtok_r(NULL, " ", &save) : NULL;
        r = p ? text_parse_uint(p, 0, UINT64_MAX >> 20, &pages) : -EBADMSG;
        if (r == 0)
                *ret = pages * (uint64_t)sysconf(_SC_PAGESIZE);
        return r;
}

int process_open_verified(pid_t pid, uint64_t start_time)
{
        _cleanup_close_ int fd = process_open(pid);
        uint64_t now;
        int r;

        if (fd < 0)
                return fd;
        /* The pidfd does not keep the number from being given away. But if the process that has it
         * now started at start_time, before this call, then it had it when the pidfd was opened. */
        r = process_start_time(pid, &now);
        if (r < 0)
                return r;
        return now == start_time ? TAKE_FD(fd) : -ESRCH;
}

int process_boot_id(char ret[static 37])
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &size);

        if (r < 0)
                return r;
        if (size < 36)
                return -EBADMSG;
        memcpy(ret, text, 36);
        ret[36] = 0;
        return 0;
}
