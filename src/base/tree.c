/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail_point.h"
#include "base/macros.h"

#define TREE_DEPTH_MAX 16u  /* levels of a tree that are entered at once */
#define TREE_MOVE_TRIES 64u /* names that are tried for what is moved up */

/* Opens a directory unless something is mounted on it, be it of the same file system (-EXDEV). */
static int tree_open_unmounted(int dirfd, const char *name)
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

static int tree_move_up(Tree *tree, int dirfd, const char *name)
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

static int tree_remove_entry(Tree *tree, int dirfd, const char *name, unsigned depth);

/* Takes dirfd. */
static int tree_remove_contents(Tree *tree, int dirfd, unsigned depth)
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
                r = tree_remove_entry(tree, dirfd, name, depth);
                first = first ?: r;
        }
        closedir(dir);
        return first;
}

static int tree_remove_top(int top)
{
        Tree tree = {.top = top};
        unsigned before;
        int first = 0;

        do {
                int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

                before = tree.n_moved;
                r = fd < 0 ? -errno : tree_remove_contents(&tree, fd, TREE_DEPTH_MAX);
                first = first ?: r;
        } while (tree.n_moved != before);
        return first;
}

/* tree NULL: it is the top itself. depth: levels that may be entered below it. */
static int tree_remove_entry(Tree *tree, int dirfd, const char *name, unsigned depth)
{
        _cleanup_close_ int fd = -1;
        int r;

        fail_point("tree: to be removed");
        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        fd = tree_open_unmounted(dirfd, name);
        if (fd < 0)
                return fd;
        if (!tree)
                r = tree_remove_top(fd);
        else if (depth > 0)
                r = tree_remove_contents(tree, TAKE_FD(fd), depth - 1);
        else
                return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 ? 0
                                                                : tree_move_up(tree, dirfd, name);
        fail_point("tree: empty");
        if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && r == 0)
                r = -errno;
        return r;
}

int tree_remove_at(int dirfd, const char *name)
{
        return tree_remove_entry(NULL, dirfd, name, 0);
}
