/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/shares.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail_point.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/memfd.h"
#include "base/tree.h"

#define DEPTH_MAX 16u /* of directories that a share is wiped in; the guest may have made some */

typedef struct Owner {
        uid_t uid;
        gid_t gid;
} Owner;

static int give(int fd, const Owner *owner)
{
        return fchown(fd, owner->uid, owner->gid) < 0 ? -errno : 0;
}

static int shares_write_file(int dir, const char *name, const void *data, size_t size,
                             const Owner *owner)
{
        _cleanup_close_ int fd = -1;
        int r;

        if (strchr(name, '/')) /* the spec's names have none; never write elsewhere */
                return -EINVAL;
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
        if (fd < 0)
                return -errno;
        fail_point("share: file is empty");
        r = fd_write_all(fd, data, size);
        if (r < 0)
                return r;
        fail_point("share: file is written");
        if (fchmod(fd, 0400) < 0)
                return -errno;
        return give(fd, owner);
}

/* The directory is still this process's own: its files are made before it is given away, so that
 * nobody can put a link in their place. Returns its descriptor. */
static int shares_make_directory(int parent, const char *name)
{
        _cleanup_close_ int fd = -1;

        if (mkdirat(parent, name, 0700) < 0)
                return -errno;
        fail_point("share: directory is made");
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchmod(fd, 0700) < 0) /* whatever the umask is */
                return -errno;
        return TAKE_FD(fd);
}

/* Gives the finished directory away and returns a descriptor of it that can only be walked from. */
static int finish_directory(int parent, const char *name, int dir, const Owner *owner)
{
        int r = give(dir, owner), fd;

        fail_point("share: directory is given");
        if (r < 0)
                return r;
        fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int make_environment(int parent, const CvmSpec *spec, const Owner *owner)
{
        _cleanup_close_ int dir = shares_make_directory(parent, "env");
        char *text = NULL;
        size_t size;
        int r;

        if (dir < 0)
                return dir;
        r = spec_environment_file(spec, &text, &size);
        if (r < 0)
                return r;
        r = shares_write_file(dir, "environment", text, size, owner);
        explicit_bzero(text, size);
        free(text);
        return r < 0 ? r : finish_directory(parent, "env", dir, owner);
}

static bool is_given(const SharesCert *certs, size_t n_certs, const char *name)
{
        for (size_t i = 0; i < n_certs; i++)
                if (strcmp(certs[i].name, name) == 0)
                        return true;
        return false;
}

static int make_certs(int parent, const SharesCert *certs, size_t n_certs, const Owner *owner)
{
        static const char *const always[] = {"cert.pem", "key.pem", "ca.pem"};
        _cleanup_close_ int dir = shares_make_directory(parent, "certs");
        int r;

        if (dir < 0)
                return dir;
        for (size_t i = 0; i < n_certs; i++) {
                r = shares_write_file(dir, certs[i].name, certs[i].data, certs[i].size, owner);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
                if (is_given(certs, n_certs, always[i]))
                        continue;
                r = shares_write_file(dir, always[i], "", 0, owner);
                if (r < 0)
                        return r;
        }
        return finish_directory(parent, "certs", dir, owner);
}

/* While it is made, and while it is wiped, a directory has another name: what is found under the
 * CVM's id is whole. */
typedef struct OtherName {
        char text[NAME_MAX + 1];
} OtherName;

static OtherName other_name(const char *id)
{
        OtherName name;

        snprintf(name.text, sizeof(name.text), ".%s", id);
        return name;
}

static int wipe_tree(int parent_fd, const char *name);

static int make_both(int parent, const char *name, const Owner *owner, const CvmSpec *spec,
                     const SharesCert *certs, size_t n_certs, Shares *ret, CvmError *error)
{
        _cleanup_close_ int dir = shares_make_directory(parent, name), env = -1, certs_dir = -1;

        if (dir < 0)
                return cvm_error_file(error, dir, parent, name, "make the directory of the shares");
        env = make_environment(dir, spec, owner);
        if (env < 0)
                return cvm_error_file(error, env, dir, "env", "write the guest's environment to");
        certs_dir = make_certs(dir, certs, n_certs, owner);
        if (certs_dir < 0)
                return cvm_error_file(error, certs_dir, dir, "certs",
                                      "write the guest's certificates to");
        ret->env_fd = TAKE_FD(env);
        ret->certs_fd = TAKE_FD(certs_dir);
        return 0;
}

int shares_create(int parent_fd, const char *id, uid_t uid, gid_t gid, const CvmSpec *spec,
                  const SharesCert *certs, size_t n_certs, Shares *ret, CvmError *error)
{
        const OtherName name = other_name(id);
        const Owner owner = {uid, gid};
        Shares shares;
        int r;

        if (faccessat(parent_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0) /* another's */
                return cvm_error_file(error, -EEXIST, parent_fd, id,
                                      "make the directory of the shares");
        r = make_both(parent_fd, name.text, &owner, spec, certs, n_certs, &shares, error);
        if (r == 0) {
                fail_point("shares: made");
                if (renameat(parent_fd, name.text, parent_fd, id) == 0) {
                        *ret = shares;
                        return 0;
                }
                r = cvm_error_file(error, -errno, parent_fd, id,
                                   "name the directory of the shares");
                close(shares.env_fd);
                close(shares.certs_fd);
        }
        wipe_tree(parent_fd, name.text);
        return r;
}

int shares_open(int parent_fd, const char *id, Shares *ret)
{
        _cleanup_close_ int dir =
                openat(parent_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_close_ int env = -1, certs = -1;

        if (dir < 0)
                return -errno;
        env = openat(dir, "env", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (env < 0)
                return -errno;
        certs = openat(dir, "certs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (certs < 0)
                return -errno;
        *ret = (Shares){TAKE_FD(env), TAKE_FD(certs)};
        return 0;
}

/* Opens what was looked at before, not what may have been put in its place. */
static int open_same(int dir, const char *name, int flags, const struct stat *seen)
{
        _cleanup_close_ int fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino)
                return -ESTALE;
        return TAKE_FD(fd);
}

/* Overwrites what is allocated: a hostile hypervisor's holes need no memory now either. */
static int zero(int fd)
{
        static const char zeros[65536];
        off_t at = 0, end;

        while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
                end = lseek(fd, at, SEEK_HOLE);
                if (end < 0)
                        return -errno;
                while (at < end) {
                        size_t left = (size_t)(end - at);
                        ssize_t n =
                                pwrite(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros), at);

                        if (n < 0 && errno != EINTR)
                                return -errno;
                        at += n > 0 ? n : 0;
                }
        }
        return errno != ENXIO || fdatasync(fd) < 0 ? -errno : 0; /* ENXIO: no more data */
}

/* Overwrites a file in place; the caller removes it. The file's mode may deny writing to its owner,
 * which binds a daemon without root. */
static int wipe_file(int dir, const char *name, const struct stat *st)
{
        _cleanup_close_ int reader = -1, fd = open_same(dir, name, O_WRONLY, st);

        if (fd == -EACCES) {
                reader = open_same(dir, name, O_RDONLY, st);
                if (reader < 0)
                        return reader;
                if (fchmod(reader, 0600) < 0)
                        return -errno;
                fd = open_same(dir, name, O_WRONLY, st);
        }
        fail_point("share: file to be wiped");
        return fd < 0 ? fd : zero(fd);
}

static int wipe_directory(int dir, unsigned depth);

/* The mount that a name is in (statx(2), Linux 5.8). Device numbers do not show it: on overlayfs
 * those of a directory and of the files in it may differ. */
static int mount_of(int dir, const char *name, uint64_t *ret)
{
        struct statx st;

        if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
                return -errno;
        *ret = st.stx_mnt_id;
        return 0;
}

/* In a directory that was given away, a file that is another's is a link that was planted, and a
 * mount leads elsewhere. Neither is overwritten. */
static int wipe_entry(int dir, const char *name, const struct stat *of_dir, unsigned depth)
{
        uint64_t mount = 0, mount_of_dir = 0;
        struct stat st;
        int fd, r;

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        r = mount_of(dir, "", &mount_of_dir) ?: mount_of(dir, name, &mount);
        if (r < 0)
                return r;
        if (mount != mount_of_dir)
                return -EXDEV;
        if (S_ISREG(st.st_mode))
                return of_dir->st_uid == geteuid() || of_dir->st_uid == st.st_uid
                               ? wipe_file(dir, name, &st)
                               : 0;
        if (!S_ISDIR(st.st_mode))
                return 0;
        if (depth == 0)
                return -ELOOP;
        fd = open_same(dir, name, O_RDONLY | O_DIRECTORY, &st);
        return fd < 0 ? fd : wipe_directory(fd, depth - 1);
}

/* Overwrites the files below, also after a failure; takes dir. */
static int wipe_directory(int dir, unsigned depth)
{
        DIR *stream = fdopendir(dir);
        struct dirent *entry;
        struct stat st;
        int first = 0;

        if (!stream || fstat(dir, &st) < 0) {
                first = -errno;
                stream ? closedir(stream) : close(dir);
                return first;
        }
        while ((entry = readdir(stream))) {
                int r = 0;

                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = wipe_entry(dir, entry->d_name, &st, depth);
                first = first ?: r;
        }
        closedir(stream);
        return first;
}

static int wipe_tree(int parent_fd, const char *name)
{
        int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int first = 0, r;

        if (fd >= 0)
                first = wipe_directory(fd, DEPTH_MAX);
        else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                first = -errno;
        r = tree_remove_at(parent_fd, name);
        return first ?: r;
}

int shares_wipe(int parent_fd, const char *id)
{
        const OtherName name = other_name(id);
        int first = wipe_tree(parent_fd, name.text), r;

        fail_point("shares: to be wiped");
        if (renameat(parent_fd, id, parent_fd, name.text) == 0)
                r = wipe_tree(parent_fd, name.text);
        else
                r = wipe_tree(parent_fd, id);
        return first ?: r;
}
