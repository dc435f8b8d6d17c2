/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/fd.h"

int memfd_new(const char *name)
{
        int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

        return fd < 0 ? -errno : fd;
}

int memfd_seal(int fd)
{
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        return 0;
}

int memfd_from_bytes(const char *name, const void *data, size_t size)
{
        _cleanup_close_ int fd = memfd_new(name);
        int r;

        if (fd < 0)
                return fd;
        r = fd_write_all(fd, data, size);
        if (r < 0)
                return r;
        r = memfd_seal(fd);
        if (r < 0)
                return r;
        return TAKE_FD(fd);
}
