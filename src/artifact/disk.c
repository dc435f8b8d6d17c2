/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/disk.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/foreign.h"

#define SECTOR 512u

/* QEMU's docs/interop/qcow2.txt; all numbers are big endian. */
#define QCOW2_MAGIC 0x514649fbu
#define QCOW2_HEADER 104u /* of version 3; version 2 ends at 72 */
#define QCOW2_INCOMPATIBLE_CORRUPT (UINT64_C(1) << 1)
#define QCOW2_INCOMPATIBLE_DATA_FILE (UINT64_C(1) << 2)
#define QCOW2_INCOMPATIBLE_KNOWN UINT64_C(0x1f) /* with dirty, compression type, extended L2 */

bool disk_identity_equal(const DiskIdentity *a, const DiskIdentity *b)
{
        return a->block == b->block && a->device == b->device && a->inode == b->inode;
}

static uint32_t be32(const uint8_t *p)
{
        uint32_t value;

        memcpy(&value, p, sizeof(value));
        return be32toh(value);
}

static uint64_t be64(const uint8_t *p)
{
        uint64_t value;

        memcpy(&value, p, sizeof(value));
        return be64toh(value);
}

static int check_qcow2(int fd, const char *field, CvmError *error)
{
        uint8_t header[QCOW2_HEADER] = {};
        ssize_t n = pread(fd, header, sizeof(header), 0);
        uint32_t version = be32(header + 4);
        uint64_t incompatible = version >= 3 ? be64(header + 72) : 0;

        if (n < 0 && file_fault(-errno) != FILE_FAULT_FILE)
                return cvm_error_system(error, -errno, "read %s", field);
        if (n < 0)
                return cvm_error_invalid_spec(error, field, "cannot be read: %s", strerror(errno));
        if (n < (ssize_t)sizeof(header) || be32(header) != QCOW2_MAGIC)
                return cvm_error_invalid_spec(error, field, "is not a qcow2 image");
        if (version != 2 && version != 3)
                return cvm_error_invalid_spec(
                        error, field,
                        "is a qcow2 image of version %u; only versions 2 and 3 are supported",
                        version);
        if (be64(header + 8) || be32(header + 16))
                return cvm_error_invalid_spec(
                        error, field,
                        "is a qcow2 image with a backing file, which is not allowed; use `qemu-img "
                        "convert` to make one without");
        if (incompatible & QCOW2_INCOMPATIBLE_DATA_FILE)
                return cvm_error_invalid_spec(
                        error, field,
                        "is a qcow2 image with an external data file, which is not allowed");
        if (be32(header + 32))
                return cvm_error_invalid_spec(error, field,
                                              "is an encrypted qcow2 image, which is not "
                                              "supported; let the guest encrypt the disk");
        if (incompatible & QCOW2_INCOMPATIBLE_CORRUPT)
                return cvm_error_invalid_spec(
                        error, field,
                        "is marked as corrupt; `qemu-img check -r all` may repair it");
        if (incompatible & ~QCOW2_INCOMPATIBLE_KNOWN)
                return cvm_error_invalid_spec(error, field,
                                              "is a qcow2 image with unknown features 0x%" PRIx64,
                                              incompatible & ~QCOW2_INCOMPATIBLE_KNOWN);
        return 0;
}

int disk_check_image(int fd, SpecDiskFormat format, const char *field, CvmError *error)
{
        uint64_t size = 0;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return cvm_error_system(error, -errno, "examine a disk");
        if (format == SPEC_DISK_QCOW2)
                return check_qcow2(fd, field, error);
        if (S_ISREG(st.st_mode))
                size = (uint64_t)st.st_size;
        else if (ioctl(fd, BLKGETSIZE64, &size) < 0)
                return cvm_error_invalid_spec(error, field, "does not report its size: %s",
                                              strerror(errno));
        if (size == 0)
                return cvm_error_invalid_spec(error, field, "is empty");
        if (size % SECTOR)
                return cvm_error_invalid_spec(
                        error, field,
                        "has %" PRIu64 " bytes; the size of a raw disk must be a multiple of %u",
                        size, SECTOR);
        return 0;
}

/* A descriptor of the client's is a door to its open file: flags and locks are shared through it,
 * and it may be open for more than the guest is to have. It includes the right to open the file
 * again. */
static int open_again(int fd, bool writable, const char *field, int *ret, CvmError *error)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        *ret = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY);
        if (*ret < 0 && file_fault(-errno) != FILE_FAULT_FILE)
                return cvm_error_system(error, -errno, "open %s", field);
        if (*ret < 0)
                return cvm_error_invalid_spec(error, field, "the descriptor cannot be opened: %s",
                                              strerror(errno));
        return 0;
}

int disk_open(const Caller *caller, const SpecDisk *spec, int *sent, const Descriptor *judged,
              const char *field, DiskFile *ret, CvmError *error)
{
        bool writable = !spec->read_only;
        int fd = -1, r;
        struct stat st;

        if (*sent < 0) {
                r = caller_open(caller, spec->path, CALLER_OPEN_DISK, writable, field, &fd, error);
        } else {
                r = caller_check_fd(caller, *sent, judged, CALLER_OPEN_DISK, writable, field,
                                    error);
                if (r == 0)
                        r = open_again(*sent, writable, field, &fd, error);
        }
        if (r == 0)
                r = disk_check_image(fd, spec->format, field, error);
        if (r == 0 && fstat(fd, &st) < 0)
                r = cvm_error_system(error, -errno, "examine a disk");
        if (r < 0) {
                foreign_close(caller->uid, &fd, 1);
                return r;
        }
        foreign_close(caller->uid, sent, 1);
        *sent = -1;
        *ret = (DiskFile){.fd = fd};
        ret->identity.block = S_ISBLK(st.st_mode);
        ret->identity.device = ret->identity.block ? st.st_rdev : st.st_dev;
        ret->identity.inode = ret->identity.block ? 0 : st.st_ino;
        return 0;
}
