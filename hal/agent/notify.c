/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memfd.h"
#include "child.h"
#include "credential.h"
#include "log.h"

#define PORTS "/sys/class/virtio-ports"

typedef void (*NotifyWay)(int messages);

/* The device of the port with our name, or -ENOENT. */
static int port_open_now(void)
{
        DIR *directory = opendir(PORTS);
        struct dirent *entry;
        int fd = -ENOENT;

        if (!directory)
                return -ENOENT;
        while (fd == -ENOENT && (entry = readdir(directory))) {
                char path[sizeof(entry->d_name) + 8];
                _cleanup_free_ char *name = NULL;

                if (entry->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/name", entry->d_name);
                if (file_read_at(dirfd(directory), path, 256, &name, NULL) < 0)
                        continue;
                name[strcspn(name, "\n")] = 0;
                if (strcmp(name, NOTIFY_PORT_NAME) != 0)
                        continue;
                snprintf(path, sizeof(path), "/dev/%.200s", entry->d_name);
                fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        fd = -errno;
        }
        closedir(directory);
        return fd;
}

/* Ports and their names come from the host some time after the driver is there. */
static int port_open(void)
{
        int fd = -ENOENT;

        for (int i = 0; i < 250 && fd == -ENOENT; i++) {
                fd = port_open_now();
                if (fd == -ENOENT)
                        poll(NULL, 0, 20);
        }
        return fd;
}

/* Writing blocks while the host has not connected: the messages then wait for it. */
static void notify_by_port(int messages)
{
        _cleanup_close_ int fd = port_open();
        char message[NOTIFY_MESSAGE_MAX];
        ssize_t n;

        if (fd < 0) {
                log_info("no virtio-serial port %s", NOTIFY_PORT_NAME);
                return;
        }
        while ((n = recv(messages, message, sizeof(message), 0)) > 0) {
                int r = fd_write_all(fd, message, (size_t)n);

                if (r < 0)
                        log_error("notifying by port: %s", strerror(-r));
        }
}

static int vsock_send(const struct sockaddr_vm *address, const char *message, size_t size)
{
        _cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
            send(fd, message, size, MSG_NOSIGNAL) != (ssize_t)size)
                return -errno;
        return 0;
}

static void notify_by_vsock(int messages)
{
        struct sockaddr_vm address = {.svm_family = AF_VSOCK};
        _cleanup_free_ char *value = NULL;
        char message[NOTIFY_MESSAGE_MAX];
        ssize_t n;

        if (credential_read("vmm.notify_socket", &value) < 0)
                return;
        if (credential_parse_vsock(value, &address.svm_cid, &address.svm_port) < 0) {
                log_error("credential vmm.notify_socket names no vsock address");
                return;
        }
        while ((n = recv(messages, message, sizeof(message), 0)) > 0) {
                int r = -EAGAIN;

                /* A host that is restarting its listener is back in a moment. */
                for (int i = 0; i < 5 && r < 0; i++) {
                        if (i > 0)
                                poll(NULL, 0, 500);
                        r = vsock_send(&address, message, (size_t)n);
                }
                if (r < 0)
                        log_error("notifying by vsock: %s", strerror(-r));
        }
}

void notify_start(Notify *notify)
{
        static const NotifyWay ways[NOTIFY_WAYS] = {notify_by_port, notify_by_vsock};

        *notify = NOTIFY_NONE;
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                int pair[2];
                pid_t pid;

                if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                        log_error("notifying: %s", strerror(errno));
                        continue;
                }
                pid = child_fork("cvm-notify");
                if (pid == 0) {
                        close(pair[0]);
                        notify_done(notify);
                        ways[i](pair[1]);
                        _exit(0);
                }
                close(pair[1]);
                if (pid < 0)
                        close(pair[0]);
                else
                        notify->fds[i] = pair[0];
        }
}

void notify_connect(Notify *notify)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t size;
        int fd;

        if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path, strlen(path));
        size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (path[0] == '@') /* sd_notify(3): a name that is no file's */
                address.sun_path[0] = 0;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0) {
                log_error("notifying the service manager: %s", strerror(errno));
                if (fd >= 0)
                        close(fd);
                return;
        }
        notify->manager = fd;
}

void notify_send(const Notify *notify, const char *format, ...)
{
        char message[NOTIFY_MESSAGE_MAX];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        if (n <= 0 || (size_t)n >= sizeof(message))
                return;
        for (size_t i = 0; i < ARRAY_SIZE(notify->fds); i++)
                if (notify->fds[i] >= 0)
                        send(notify->fds[i], message, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (notify->manager >= 0 && send(notify->manager, message, (size_t)n, MSG_NOSIGNAL) < 0)
                log_error("notifying the service manager: %s", strerror(errno));
}

void notify_done(Notify *notify)
{
        for (size_t i = 0; i < ARRAY_SIZE(notify->fds); i++)
                if (notify->fds[i] >= 0)
                        close(notify->fds[i]);
        if (notify->manager >= 0)
                close(notify->manager);
        *notify = NOTIFY_NONE;
}

void notify_finish(Notify *notify, int msec)
{
        notify_done(notify);
        for (int waited = 0; waited < msec; waited += 10) {
                pid_t pid;

                while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                        ;
                if (pid < 0)
                        return;
                poll(NULL, 0, 10);
        }
}
