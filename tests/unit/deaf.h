/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A file system in user space whose daemon is a thread of this process. Its one file, `file`, can
 * be opened, and read while it is not deaf; each close waits until the connection ends, unless it
 * is `honest`. A deaf one takes questions and answers none, a mute one answers all but reads. Needs
 * root and /dev/fuse.
 */

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct Deaf {
        int device;
        char directory[32];
        atomic_bool deaf, mute, honest;
        const char *content; /* at most 4096 bytes; NULL: empty */
        pthread_t server;
        pid_t watch;
} Deaf;

static inline void *deaf_serve(void *userdata)
{
        Deaf *deaf = userdata;
        _Alignas(8) char request[65536], reply[8192];

        for (;;) {
                ssize_t n = read(deaf->device, request, sizeof(request));
                const struct fuse_in_header *in = (const void *)request;
                struct fuse_out_header *out = (void *)reply;
                size_t size = sizeof(*out);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return NULL;
                memset(reply, 0, sizeof(reply));
                out->unique = in->unique;
                if (deaf->deaf || (deaf->mute && in->opcode == FUSE_READ))
                        continue;
                if (in->opcode == FUSE_INIT) {
                        struct fuse_init_out *init = (void *)(out + 1);

                        init->major = 7;
                        init->minor = 31;
                        init->max_write = 4096;
                        size += sizeof(*init);
                } else if (in->opcode == FUSE_LOOKUP) {
                        struct fuse_entry_out *entry = (void *)(out + 1);

                        entry->nodeid = entry->attr.ino = 2;
                        entry->attr.mode = S_IFREG | 0644;
                        entry->attr.nlink = 1;
                        entry->attr.size = deaf->content ? strlen(deaf->content) : 0;
                        entry->entry_valid = entry->attr_valid = 60;
                        size += sizeof(*entry);
                } else if (in->opcode == FUSE_GETATTR) {
                        struct fuse_attr_out *attr = (void *)(out + 1);

                        attr->attr.ino = in->nodeid;
                        attr->attr.mode = in->nodeid == 1 ? S_IFDIR | 0755 : S_IFREG | 0644;
                        attr->attr.nlink = 1;
                        attr->attr.size =
                                in->nodeid != 1 && deaf->content ? strlen(deaf->content) : 0;
                        attr->attr_valid = 60;
                        size += sizeof(*attr);
                } else if (in->opcode == FUSE_OPEN) {
                        struct fuse_open_out *opened = (void *)(out + 1);

                        /* or the next open would wait for the pages that a read waits for */
                        opened->open_flags = deaf->mute ? FOPEN_DIRECT_IO : 0;
                        size += sizeof(*opened);
                } else if (in->opcode == FUSE_READ) {
                        const struct fuse_read_in *wanted = (const void *)(in + 1);
                        size_t length = deaf->content ? strlen(deaf->content) : 0;

                        if (wanted->offset < length) {
                                memcpy(out + 1, deaf->content + wanted->offset,
                                       length - wanted->offset);
                                size += length - wanted->offset;
                        }
                } else if (in->opcode == FUSE_FLUSH && !deaf->honest) {
                        continue; /* never */
                } else {
                        out->error = -ENOSYS;
                }
                out->len = (uint32_t)size;
                (void)!write(deaf->device, reply, size);
        }
}

/* Ends the file system after a minute, whatever became of the test: a process whose threads wait in
 * it cannot end before. */
static inline pid_t deaf_watch(const Deaf *deaf)
{
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        close(deaf->device);
        sleep(60);
        umount2(deaf->directory, MNT_FORCE | MNT_DETACH);
        _exit(0);
}

static inline bool deaf_mount(Deaf *deaf)
{
        char options[96];

        *deaf = (Deaf){.device = open("/dev/fuse", O_RDWR | O_CLOEXEC),
                       .directory = "/tmp/cvmd-XXXXXX"};
        if (geteuid() != 0 || deaf->device < 0)
                return false;
        assert_non_null(mkdtemp(deaf->directory));
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
                 deaf->device);
        if (mount("deaf", deaf->directory, "fuse", 0, options) < 0) {
                rmdir(deaf->directory);
                close(deaf->device);
                return false;
        }
        assert_int_equal(pthread_create(&deaf->server, NULL, deaf_serve, deaf), 0);
        deaf->watch = deaf_watch(deaf);
        return true;
}

static inline char *deaf_path(const Deaf *deaf)
{
        char *path;

        assert_true(asprintf(&path, "%s/file", deaf->directory) > 0);
        return path;
}

static inline int deaf_open(const Deaf *deaf)
{
        char *path = deaf_path(deaf);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        free(path);
        assert_true(fd >= 0);
        return fd;
}

/* Ends all waits, with errors. */
static inline void deaf_abort(const Deaf *deaf)
{
        assert_int_equal(umount2(deaf->directory, MNT_FORCE | MNT_DETACH), 0);
}

/* After deaf_abort(). */
static inline void deaf_done(Deaf *deaf)
{
        pthread_join(deaf->server, NULL);
        close(deaf->device);
        rmdir(deaf->directory);
        kill(deaf->watch, SIGKILL);
        waitpid(deaf->watch, NULL, 0);
}
