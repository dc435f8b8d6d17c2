/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a hostile guest tries in a writable share, by plain system calls: run in the share's
 * directory, in which the host has put the files "file" and "foreign", which is another user's, and
 * the symbolic link "out", which leads out of the share. A line each: what was tried, and the
 * number of the error or 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static void say(const char *what, long r)
{
        printf("%s=%d\n", what, r < 0 ? errno : 0);
}

static void leave_set_id_bits(void)
{
        say("open-suid", open("open-suid", O_CREAT | O_WRONLY, 04755));
        say("open-sgid", open("open-sgid", O_CREAT | O_RDWR | O_EXCL, 02775));
        say("mknod-suid", mknod("mknod-suid", S_IFREG | 06755, 0));
        say("directory", mkdir("directory", 02777)); /* Linux leaves the bit out */
        say("chmod-directory", chmod("directory", 02755));
        say("plain", open("plain", O_CREAT | O_WRONLY, 0755));
        say("chmod-suid", chmod("plain", 04755));
        say("chmod-sgid", chmod("plain", 02755));
        say("chmod-both", chmod("file", 06711));
}

static void leave_devices(void)
{
        say("null", mknod("null", S_IFCHR | 0666, makedev(1, 3)));
        say("disk", mknod("disk", S_IFBLK | 0666, makedev(8, 0)));
        say("whiteout", mknod("whiteout", S_IFCHR, makedev(0, 0)));
        say("fifo", mknod("fifo", S_IFIFO | 0644, 0));
}

static void leave_links(void)
{
        say("hard", link("out", "hard"));
        say("hard-foreign", link("foreign", "hard-foreign"));
        say("hard-own", link("plain", "hard-own"));
        say("link", symlink("/etc/shadow", "link"));
        say("link-chmod", fchmodat(AT_FDCWD, "link", 0666, AT_SYMLINK_NOFOLLOW));
        say("link-up", symlink("../../../../../../etc", "link-up"));
}

static void leave_rights(void)
{
        /* cap_setuid=ep, as setcap(8) writes it (struct vfs_cap_data) */
        static const unsigned char all[20] = {0x01, 0, 0, 0x02, 0x80};

        say("capability", setxattr("plain", "security.capability", all, sizeof(all), 0));
        say("trusted", setxattr("plain", "trusted.x", "x", 1, 0));
        say("user", setxattr("plain", "user.x", "x", 1, 0));
        say("chown", chown("plain", 0, 0));
        say("chown-other", chown("plain", 1234, 1234));
}

int main(void)
{
        umask(0);
        leave_set_id_bits();
        leave_devices();
        leave_links();
        leave_rights();
        return 0;
}
