/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/filesystem.h"
#include "base/memfd.h"
#include "fail.h"
#include "progress.h"

#define CHUNK (1u << 20)

bool launch_copy_is_served(int fd)
{
        struct statfs fs;

        return fstatfs(fd, &fs) < 0 ||
               filesystem_of_magic((uint64_t)fs.f_type).kind == FILESYSTEM_SERVED;
}

static ExitStatus launch_copy_refuse(const Cli *cli, const char *field, const char *path, int r)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        progress_end();
        if (file_fault(r) == FILE_FAULT_FILE)
                cvm_error_invalid_spec(&error, field, "%s: cannot copy it from its file system: %s",
                                       path,
                                       r == -EFBIG ? "it is longer than a file of this kind may be"
                                                   : strerror(-r));
        else
                cvm_error_system(&error, r, "copy %s from its file system", path);
        fail_error(cli, &error, NULL);
        return exit_of_file(r);
}

static void launch_copy_show(const char *field, uint64_t done, uint64_t size)
{
        char stage[40];

        snprintf(stage, sizeof(stage), "copying, %u %%",
                 size ? (unsigned)(done < size ? done * 100 / size : 100) : 100);
        progress_show(field, stage);
}

/* Returns 0, -EFBIG or another -errno. chunk: room for CHUNK bytes. */
static int launch_copy_chunks(const char *field, uint64_t max, int from, int to, char *chunk)
{
        uint64_t done = 0;
        struct stat st;

        /* O_NONBLOCK was for the open alone */
        if (fcntl(from, F_SETFL, 0) < 0 || fstat(from, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size > max)
                return -EFBIG;
        for (;;) {
                ssize_t n;
                int r;

                launch_copy_show(field, done, (uint64_t)st.st_size);
                n = read(from, chunk, CHUNK);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                if ((uint64_t)n > max - done)
                        return -EFBIG;
                r = fd_write_all(to, chunk, (size_t)n);
                if (r < 0)
                        return r;
                done += (uint64_t)n;
        }
}

/* Likewise. Certificates and environments are secrets: what was read is wiped. */
static int launch_copy_bytes(const char *field, uint64_t max, int from, int to)
{
        char *chunk = malloc(CHUNK);
        int r;

        if (!chunk)
                return -ENOMEM;
        r = launch_copy_chunks(field, max, from, to, chunk);
        explicit_bzero(chunk, CHUNK);
        free(chunk);
        return r;
}

ExitStatus launch_copy(const Cli *cli, const char *field, const char *path, uint64_t max, int *fd)
{
        _cleanup_close_ int memory = memfd_new("cvmctl");
        int r = memory < 0 ? memory : launch_copy_bytes(field, max, *fd, memory);

        if (r == 0)
                r = memfd_seal(memory);
        if (r == 0 && lseek(memory, 0, SEEK_SET) < 0)
                r = -errno;
        if (r < 0)
                return launch_copy_refuse(cli, field, path, r);
        progress_end();
        close(*fd);
        *fd = TAKE_FD(memory);
        return EXIT_OK;
}
