/* SPDX-License-Identifier: Apache-2.0 */

/* The quote generation service, which turns a TD's report into a quote: the daemon qgsd of Intel's
 * DCAP, by a Unix socket or, as older ones, by vsock. */

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/socket.h"
#include "base/text.h"
#include "host/host_internal.h"

#define CONNECT_MSEC 200

/* 0 or -errno; never waits longer than CONNECT_MSEC. */
static int connect_bounded(int family, const void *address, socklen_t size)
{
        _cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
        int error = 0;
        socklen_t length = sizeof(error);

        if (fd < 0)
                return -errno;
        if (connect(fd, address, size) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return -errno;
        if (poll(&poll_fd, 1, CONNECT_MSEC) <= 0)
                return -ETIMEDOUT;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
                return -errno;
        return -error;
}

static int connect_unix(const char *root)
{
        _cleanup_free_ char *path = text_format("%s%s", root, HOST_QGS_SOCKET);
        struct sockaddr_un address;
        int r = path ? socket_address(path, &address) : -ENOMEM;

        if (r < 0)
                return r;
        return connect_bounded(AF_UNIX, &address, sizeof(address));
}

/* A tree of files has no vsock: a file /vsock-4050 stands for a service that answers there. */
static int connect_vsock(const char *root)
{
        const struct sockaddr_vm address = {
                .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = HOST_QGS_PORT};

        if (*root)
                return host_file_exists(root, "/vsock-4050") ? 0 : -ECONNREFUSED;
        return connect_bounded(AF_VSOCK, &address, sizeof(address));
}

int host_probe_qgs(const char *root, HostFacts *facts)
{
        const char *reason;
        int r;

        free(facts->qgs_found);
        facts->qgs_found = NULL;
        facts->qgs = HOST_QGS_NONE;
        if (!facts->kvm_tdx) { /* nobody would ask it; and no socket is touched for nothing */
                facts->qgs_found = strdup("not checked, because TDX is not enabled");
                return facts->qgs_found ? 0 : -ENOMEM;
        }
        r = connect_unix(root);
        if (r == 0) {
                facts->qgs = HOST_QGS_UNIX;
                facts->qgs_found = strdup(HOST_QGS_SOCKET " answers");
                return facts->qgs_found ? 0 : -ENOMEM;
        }
        reason = strerrordesc_np(-r) ?: "unknown error";
        r = connect_vsock(root);
        if (r == 0)
                facts->qgs = HOST_QGS_VSOCK;
        facts->qgs_found = text_format(HOST_QGS_SOCKET ": %s; vsock port 4050: %s", reason,
                     r == 0 ? "answers" : strerrordesc_np(-r) ?: "unknown error");
        if (!facts->qgs_found) {
                return -ENOMEM;
        }
        return 0;
}
