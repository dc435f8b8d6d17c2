/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail_point.h"
#include "base/memfd.h"
#include "base/text.h"

#define TREE_DEPTH_MAX 16u  /* levels of a tree that are entered at once */
#define TREE_MOVE_TRIES 64u /* names that are tried for what is moved up */

int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_(buffer_done) Buffer buffer = {};

        for (;;) {
                char chunk[16384];
                ssize_t n = read(fd, chunk, sizeof(chunk));
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if ((size_t)n > max - buffer.size)
                        return -EFBIG;
                r = buffer_append(&buffer, chunk, (size_t)n);
                explicit_bzero(chunk, (size_t)n);
                if (r < 0)
                        return r;
        }
        if (ret_size)
                *ret_size = buffer.size;
        *ret = buffer_take(&buffer);
        return *ret ? 0 : -ENOMEM;
}

FileFault file_fault(int r)
{
        switch (-r) {
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EAGAIN:
        case ENOSPC:
        case EDQUOT:
                return FILE_FAULT_SHORTAGE;
        case EIO:
        case EREMOTEIO:
        case EUCLEAN:
        case ESTALE:
        case ENOTCONN:
        case ECONNABORTED:
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ETIMEDOUT:
                return FILE_FAULT_HOST;
        default:
                return FILE_FAULT_FILE;
        }
}

int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : fd_read_all(fd, max, ret, ret_size);
}

/* `sync`: the new file's bytes are on disk before it has the name. */
static int file_replace(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
                        bool sync, int *ret_fd)
{
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        temporary = text_format(".%s.new", name);
        if (!temporary)
                return -ENOMEM;
        if (unlinkat(dirfd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fail_point("file: to be written");
        fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        fail_point("file: empty");
        r = fd_write_all(fd, data, size);
        if (r == 0 && (fchmod(fd, mode) < 0 || (sync && fsync(fd) < 0)))
                r = -errno;
        fail_point("file: to be renamed");
        if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
                r = -errno;
        fail_point("file: renamed");
        if (r < 0) {
                unlinkat(dirfd, temporary, 0);
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int file_write_atomic_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode)
{
        _cleanup_close_ int fd = -1;
        int r = file_replace(dirfd, name, data, size, mode, true, &fd);

        if (r == 0 && fsync(dirfd) < 0 && errno != EINVAL)
                r = -errno;
        return r;
}

int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
                    int *ret_fd)
{
        return file_replace(dirfd, name, data, size, mode, false, ret_fd);
}

static int make_parents(const char *path)
{
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = 0;
                if (mkdir(copy, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        return 0;
}

int dir_open_private(const char *path_given, mode_t mode)
{
        _cleanup_free_ char *path = strdup(path_given);
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        if (!path)
                return -ENOMEM;
        /* with a '/' at the end O_NOFOLLOW would follow */
        for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
                path[n - 1] = 0;
        r = make_parents(path);
        if (r < 0)
                return r;
        if (mkdir(path, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -ENOTDIR : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH) & ~mode))
                return -EPERM;
        if (fchmod(fd, mode) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Opens a directory unless something is mounted on it, be it of the same file system (-EXDEV). */
static int open_unmounted(int dirfd, const char *name)
{
        _cleanup_close_ int fd =
                openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct statx st;

        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0)
                return -errno;
        return st.stx_attributes & STATX_ATTR_MOUNT_ROOT ? -EXDEV : TAKE_FD(fd);
}

/* A tree that is removed. Who may make directories in it may make them deeper than there are
 * descriptors or is stack: what lies too deep is moved up and removed in a later round. */
typedef struct Tree {
        int top;
        unsigned n_moved;
} Tree;

static int file_move_up(Tree *tree, int dirfd, const char *name)
{
        char to[32];
        int r = 0;

        for (unsigned i = 0; i < TREE_MOVE_TRIES; i++) {
                snprintf(to, sizeof(to), ".deep-%u", tree->n_moved++);
                r = renameat(dirfd, name, tree->top, to) < 0 ? -errno : 0;
                if (r != -EEXIST && r != -ENOTEMPTY && r != -ENOTDIR)
                        break;
        }
        return r;
}

static int remove_entry(Tree *tree, int dirfd, const char *name, unsigned depth);

/* Takes dirfd. */
static int remove_contents(Tree *tree, int dirfd, unsigned depth)
{
        struct dirent *entry;
        DIR *dir = fdopendir(dirfd);
        int first = 0;

        if (!dir) {
                first = -errno;
                close(dirfd);
                return first;
        }
        while ((entry = readdir(dir))) {
                const char *name = entry->d_name;
                int r;

                if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                        continue;
                r = remove_entry(tree, dirfd, name, depth);
                first = first ?: r;
        }
        closedir(dir);
        return first;
}

static int remove_top(int top)
{
        Tree tree = {.top = top};
        unsigned before;
        int first = 0;

        do {
                int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

                before = tree.n_moved;
                r = fd < 0 ? -errno : remove_contents(&tree, fd, TREE_DEPTH_MAX);
                first = first ?: r;
        } while (tree.n_moved != before);
        return first;
}

/* tree NULL: it is the top itself. depth: levels that may be entered below it. */
static int remove_entry(Tree *tree, int dirfd, const char *name, unsigned depth)
{
        _cleanup_close_ int fd = -1;
        int r;

        fail_point("tree: to be removed");
        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        fd = open_unmounted(dirfd, name);
        if (fd < 0)
                return fd;
        if (!tree)
                r = remove_top(fd);
        else if (depth > 0)
                r = remove_contents(tree, TAKE_FD(fd), depth - 1);
        else
                return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 ? 0
                                                                : file_move_up(tree, dirfd, name);
        fail_point("tree: empty");
        if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && r == 0)
                r = -errno;
        return r;
}

int tree_remove_at(int dirfd, const char *name)
{
        return remove_entry(NULL, dirfd, name, 0);
}

int fd_read_path(int fd, char **ret)
{
        _cleanup_free_ char *path = malloc(PATH_MAX);
        char link[40];
        ssize_t n;

        if (!path)
                return -ENOMEM;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, PATH_MAX);
        if (n < 0)
                return -errno;
        if (n == 0 || n == PATH_MAX || path[0] != '/')
                return -ENOENT;
        path[n] = 0;
        *ret = TAKE_PTR(path);
        return 0;
}

char *file_path_at(int dirfd, const char *name)
{
        _cleanup_free_ char *directory = NULL;

        if (fd_read_path(dirfd, &directory) < 0)
                return strdup(name ?: "its directory");
        return text_format("%s%s%s", directory, name ? "/" : "", name ?: "");
}
