/* SPDX-License-Identifier: Apache-2.0 */
#include "attester.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "child.h"
#include "log.h"

#define ATTESTER_FD 3 /* of the socket, in the program */

bool attester_exists(const Attester *attester)
{
        return access(attester->program, X_OK) == 0;
}

static void attester_exec(const Attester *attester, int fd)
{
        if (fd == ATTESTER_FD ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, ATTESTER_FD) >= 0)
                execl(attester->program, "cvm-attest", NULL);
        log_error("%s: %s", attester->program, strerror(errno));
        _exit(1);
}

static int attester_start(Attester *attester)
{
        _cleanup_close_ int own = -1, other = -1;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        own = fds[0];
        other = fds[1];
        attester->pid = child_fork("cvm-attest");
        if (attester->pid == 0)
                attester_exec(attester, other);
        if (attester->pid < 0) {
                attester->pid = 0;
                return -EAGAIN;
        }
        attester->fd = TAKE_FD(own);
        return 0;
}

/* If it has ended, a next one can be started. */
static void attester_reap(Attester *attester)
{
        int status;

        if (!attester->pid || waitpid(attester->pid, &status, WNOHANG) == 0)
                return;
        log_error("cvm-attest ended, status 0x%x", status);
        close(attester->fd);
        attester->fd = -1;
        attester->pid = 0;
}

int attester_pass(Attester *attester, int client)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = {(char[]){'c'}, 1};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        int r;

        attester_reap(attester);
        r = attester->pid ? 0 : attester_start(attester);
        if (r < 0)
                return r;
        *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                   .cmsg_type = SCM_RIGHTS,
                                   .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(header), &client, sizeof(client));
        return sendmsg(attester->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}
