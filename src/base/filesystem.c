/* SPDX-License-Identifier: Apache-2.0 */
#include "base/filesystem.h"

#include <linux/magic.h>
#include <string.h>

#define UNKNOWN "a file system that cvmd does not know as local"

/* Numbers that <linux/magic.h> of Debian 12 has not: fs/<name>/ of Linux 6.12, and those of ZFS
 * (include/os/linux/zfs/sys/zpl.h of OpenZFS) and of the clients of AFS and Lustre. */
#define MAGIC_BCACHEFS 0xca451a4eu
#define MAGIC_CONFIGFS 0x62656570u
#define MAGIC_FUSECTL 0x65735543u
#define MAGIC_JFS 0x3153464au
#define MAGIC_NTFS3 0x7366746eu
#define MAGIC_UBIFS 0x24051905u
#define MAGIC_ZFS 0x2fc12fc1u
#define MAGIC_AFS 0x6b414653u
#define MAGIC_LUSTRE 0x0bd00bd0u

typedef struct Entry {
        const char *type; /* as mountinfo has it; up to a '.' only, if it ends so */
        uint32_t magic;   /* 0: it has none of its own */
        Filesystem is;
} Entry;

#define LOCAL(type, magic)                                                                         \
        {                                                                                          \
                type, magic,                                                                       \
                {                                                                                  \
                        FILESYSTEM_LOCAL, type                                                     \
                }                                                                                  \
        }
#define KERNEL(type, magic)                                                                        \
        {                                                                                          \
                type, magic,                                                                       \
                {                                                                                  \
                        FILESYSTEM_KERNEL, type                                                    \
                }                                                                                  \
        }
#define SERVED(type, magic, name)                                                                  \
        {                                                                                          \
                type, magic,                                                                       \
                {                                                                                  \
                        FILESYSTEM_SERVED, name                                                    \
                }                                                                                  \
        }

static const Entry entries[] = {
        LOCAL("ext4", EXT4_SUPER_MAGIC),
        LOCAL("ext3", EXT3_SUPER_MAGIC),
        LOCAL("ext2", EXT2_SUPER_MAGIC),
        LOCAL("xfs", XFS_SUPER_MAGIC),
        LOCAL("btrfs", BTRFS_SUPER_MAGIC),
        LOCAL("tmpfs", TMPFS_MAGIC),
        LOCAL("devtmpfs", TMPFS_MAGIC),
        LOCAL("ramfs", RAMFS_MAGIC),
        LOCAL("rootfs", RAMFS_MAGIC),
        LOCAL("hugetlbfs", HUGETLBFS_MAGIC),
        LOCAL("overlay", OVERLAYFS_SUPER_MAGIC),
        LOCAL("erofs", EROFS_SUPER_MAGIC_V1),
        LOCAL("squashfs", SQUASHFS_MAGIC),
        LOCAL("zfs", MAGIC_ZFS),
        LOCAL("f2fs", F2FS_SUPER_MAGIC),
        LOCAL("bcachefs", MAGIC_BCACHEFS),
        LOCAL("nilfs2", NILFS_SUPER_MAGIC),
        LOCAL("jfs", MAGIC_JFS),
        LOCAL("ubifs", MAGIC_UBIFS),
        LOCAL("vfat", MSDOS_SUPER_MAGIC),
        LOCAL("msdos", MSDOS_SUPER_MAGIC),
        LOCAL("exfat", EXFAT_SUPER_MAGIC),
        LOCAL("ntfs3", MAGIC_NTFS3),
        LOCAL("iso9660", ISOFS_SUPER_MAGIC),
        LOCAL("udf", UDF_SUPER_MAGIC),
        KERNEL("proc", PROC_SUPER_MAGIC),
        KERNEL("sysfs", SYSFS_MAGIC),
        KERNEL("cgroup", CGROUP_SUPER_MAGIC),
        KERNEL("cgroup2", CGROUP2_SUPER_MAGIC),
        KERNEL("debugfs", DEBUGFS_MAGIC),
        KERNEL("tracefs", TRACEFS_MAGIC),
        KERNEL("securityfs", SECURITYFS_MAGIC),
        KERNEL("selinuxfs", SELINUX_MAGIC),
        KERNEL("smackfs", SMACK_MAGIC),
        KERNEL("apparmorfs", AAFS_MAGIC),
        KERNEL("pstore", PSTOREFS_MAGIC),
        KERNEL("efivarfs", EFIVARFS_MAGIC),
        KERNEL("resctrl", RDTGROUP_SUPER_MAGIC),
        KERNEL("bpf", BPF_FS_MAGIC),
        KERNEL("binfmt_misc", BINFMTFS_MAGIC),
        KERNEL("nsfs", NSFS_MAGIC),
        KERNEL("openprom", OPENPROM_SUPER_MAGIC),
        KERNEL("xenfs", XENFS_SUPER_MAGIC),
        KERNEL("configfs", MAGIC_CONFIGFS),
        KERNEL("fusectl", MAGIC_FUSECTL),
        /* only so that messages can name them */
        SERVED("fuse", FUSE_SUPER_MAGIC, "FUSE"),
        SERVED("fuse.", 0, "FUSE"),
        SERVED("fuseblk", FUSE_SUPER_MAGIC, "FUSE"),
        SERVED("fuseblk.", 0, "FUSE"),
        SERVED("virtiofs", FUSE_SUPER_MAGIC, "virtiofs"),
        SERVED("nfs", NFS_SUPER_MAGIC, "NFS"),
        SERVED("nfs4", NFS_SUPER_MAGIC, "NFS"),
        SERVED("cifs", CIFS_SUPER_MAGIC, "CIFS"),
        SERVED("smb3", SMB2_SUPER_MAGIC, "SMB"),
        SERVED("9p", V9FS_MAGIC, "9p"),
        SERVED("ceph", CEPH_SUPER_MAGIC, "Ceph"),
        SERVED("afs", MAGIC_AFS, "AFS"),
        SERVED("lustre", MAGIC_LUSTRE, "Lustre"),
        SERVED("ocfs2", OCFS2_SUPER_MAGIC, "OCFS2"),
};

static bool filesystem_is_type(const char *entry, const char *type, size_t size)
{
        size_t length = strlen(entry);

        return length && entry[length - 1] == '.'
                       ? size > length && memcmp(entry, type, length) == 0
                       : size == length && memcmp(entry, type, length) == 0;
}

Filesystem filesystem_of_type(const char *type, size_t size)
{
        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                if (filesystem_is_type(entries[i].type, type, size))
                        return entries[i].is;
        return (Filesystem){FILESYSTEM_SERVED, UNKNOWN};
}

Filesystem filesystem_of_magic(uint64_t magic)
{
        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                if (entries[i].magic && entries[i].magic == (uint32_t)magic)
                        return entries[i].is;
        return (Filesystem){FILESYSTEM_SERVED, UNKNOWN};
}
