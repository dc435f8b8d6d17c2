/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded: a host with /dev/vhost-vsock and /dev/vhost-net, where another program has the CID
 * that the environment variable VHOST_CID_TAKEN says. The file that VHOST_OPENS names, if it is
 * set, gets the device's name for each open, a line each. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int (*Open)(const char *, int, ...);
typedef int (*Access)(int, const char *, int, int);
typedef int (*Ioctl)(int, unsigned long, ...);

static const char *device(const char *path)
{
        static const char *const known[] = {"/dev/vhost-vsock", "/dev/vhost-net"};

        for (int i = 0; i < 2; i++)
                if (strcmp(path, known[i]) == 0)
                        return known[i] + sizeof("/dev/") - 1;
        return NULL;
}

static void log_open(const char *name)
{
        const char *path = getenv("VHOST_OPENS");
        int fd =
                path ? ((Open)dlsym(RTLD_NEXT, "open"))(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

        if (fd < 0)
                return;
        if (dprintf(fd, "%s\n", name) < 0)
                abort();
        close(fd);
}

int open(const char *path, int flags, ...)
{
        va_list arguments;
        mode_t mode;

        if (device(path)) {
                log_open(device(path));
                return memfd_create(device(path), MFD_CLOEXEC);
        }
        va_start(arguments, flags);
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
        va_end(arguments);
        return ((Open)dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int faccessat(int dirfd, const char *path, int mode, int flags)
{
        return device(path) ? 0 : ((Access)dlsym(RTLD_NEXT, "faccessat"))(dirfd, path, mode, flags);
}

int ioctl(int fd, unsigned long request, ...)
{
        const char *taken = getenv("VHOST_CID_TAKEN");
        va_list arguments;
        void *argument;

        va_start(arguments, request);
        argument = va_arg(arguments, void *);
        va_end(arguments);
        if (request != VHOST_VSOCK_SET_GUEST_CID)
                return ((Ioctl)dlsym(RTLD_NEXT, "ioctl"))(fd, request, argument);
        if (taken && *(uint64_t *)argument == strtoull(taken, NULL, 10)) {
                errno = EADDRINUSE;
                return -1;
        }
        return 0;
}
