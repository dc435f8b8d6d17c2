/* SPDX-License-Identifier: Apache-2.0 */
#include "share.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
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
