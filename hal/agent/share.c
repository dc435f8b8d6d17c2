/* SPDX-License-Identifier: Apache-2.0 */
#include "share.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "log.h"

#define DRIVER "/sys/bus/virtio/drivers/9pnet_virtio"

static void share_mount(Shares *shares, const char *tag, const char *path)
{
        Share *share = shares->shares + shares->n_shares++;

        snprintf(share->tag, sizeof(share->tag), "%s", tag);
        snprintf(share->path, sizeof(share->path), "%s", path);
        mkdir(path, 0755);
        if (mount(tag, path, "9p", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  "trans=virtio,version=9p2000.L,cache=mmap") < 0) {
                share->error = errno;
                log_error("share %s is not mounted on %s: %s", tag, path, strerror(errno));
        } else {
                share->error = 0;
        }
}

/* Tags come from the host: only one that is a plain file name becomes part of a path. */
static bool tag_is_valid(const char *tag)
{
        static const char allowed[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

        return *tag && strlen(tag) <= SHARE_TAG_MAX && tag[strspn(tag, allowed)] == 0;
}

void shares_mount(Shares *shares)
{
        DIR *directory;
        struct dirent *entry;

        share_mount(shares, "env_share", "/etc/cocos");
        share_mount(shares, "certs_share", "/etc/certs");
        directory = opendir(DRIVER);
        if (!directory)
                return;
        while ((entry = readdir(directory)) && shares->n_shares < SHARE_MAX) {
                char name[sizeof(entry->d_name) + 16], path[SHARE_TAG_MAX + 16];
                _cleanup_free_ char *tag = NULL;
                size_t size;

                snprintf(name, sizeof(name), "%s/mount_tag", entry->d_name);
                if (entry->d_name[0] == '.' ||
                    file_read_at(dirfd(directory), name, 256, &tag, &size) < 0)
                        continue;
                /* The attribute ends with a NUL, not a line feed. */
                if (!tag_is_valid(tag) || strcmp(tag, "env_share") == 0 ||
                    strcmp(tag, "certs_share") == 0)
                        continue;
                snprintf(path, sizeof(path), "/mnt/%.*s", SHARE_TAG_MAX, tag);
                share_mount(shares, tag, path);
        }
        closedir(directory);
}

int shares_save(const Shares *shares, const char *path)
{
        _cleanup_(buffer_done) Buffer text = {};
        _cleanup_close_ int fd = -1;
        char *parent = strdupa(path);

        for (size_t i = 0; i < shares->n_shares; i++) {
                const Share *share = shares->shares + i;
                _cleanup_free_ char *line = NULL;

                if (asprintf(&line, "%d %s %s\n", share->error, share->tag, share->path) < 0 ||
                    buffer_append_text(&text, line) < 0)
                        return -ENOMEM;
        }
        *strrchr(parent, '/') = 0;
        mkdir(parent, 0755);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        return fd < 0 ? -errno : fd_write_all(fd, text.data, text.size);
}

int shares_load(const char *path, Shares *ret)
{
        _cleanup_free_ char *text = NULL;
        Shares shares = {};
        char *rest, *line;
        int r;

        r = file_read_at(AT_FDCWD, path, SHARE_MAX * (sizeof(Share) + 16), &text, NULL);
        if (r < 0)
                return r;
        rest = text;
        while ((line = strsep(&rest, "\n"))) {
                Share *share = shares.shares + shares.n_shares;

                if (!*line)
                        continue;
                if (shares.n_shares == SHARE_MAX ||
                    sscanf(line, "%d %31s %46s", &share->error, share->tag, share->path) != 3)
                        return -EBADMSG;
                shares.n_shares++;
        }
        *ret = shares;
        return 0;
}
