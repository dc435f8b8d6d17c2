/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target once on each regular file below the directories (or files) that are named, in
 * place of libFuzzer's main. Fails if there is nothing to run. Each input is copied to a block of
 * exactly its size, so that a sanitizer or valgrind sees a read past its end.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/macros.h"
#include "fuzz.h"

#define INPUT_MAX (64u << 20)

static int replay_fd(int fd, const char *name)
{
        _cleanup_free_ char *data = NULL;
        _cleanup_free_ uint8_t *input = NULL;
        size_t size;
        int r = fd_read_all(fd, INPUT_MAX, &data, &size);

        if (r < 0) {
                fprintf(stderr, "%s: %s\n", name, strerror(-r));
                return r;
        }
        input = malloc(size ?: 1);
        if (!input)
                return -ENOMEM;
        if (size)
                memcpy(input, data, size);
        LLVMFuzzerTestOneInput(input, size);
        return 0;
}

/* Runs a file, or each file of a directory; returns how many, or -errno. */
static int replay(const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct dirent *entry;
        struct stat st;
        int n = 0, r;
        DIR *dir;

        if (fd < 0 || fstat(fd, &st) < 0) {
                perror(path);
                return -errno;
        }
        if (!S_ISDIR(st.st_mode)) {
                r = replay_fd(fd, path);
                return r < 0 ? r : 1;
        }

        dir = fdopendir(TAKE_FD(fd));
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                _cleanup_close_ int file = -1;

                if (entry->d_name[0] == '.')
                        continue;
                file = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
                r = file < 0 ? -errno : replay_fd(file, entry->d_name);
                if (r < 0) {
                        n = r;
                        break;
                }
                n++;
        }
        closedir(dir);
        return n;
}

int main(int argc, char **argv)
{
        int total = 0;

        for (int i = 1; i < argc; i++) {
                int n = replay(argv[i]);

                if (n < 0)
                        return 1;
                total += n;
        }
        printf("%d inputs\n", total);
        return total > 0 ? 0 : 1;
}
