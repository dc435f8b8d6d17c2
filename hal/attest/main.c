/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cvm-attest: evidence over TLS 1.3, cvm-attest(7). The agent starts it with a socket, descriptor
 * 3, over which it passes each client whose first byte is one of TLS; when the agent ends, this
 * ends.
 *
 * The options name other places than the kernel's own, for tests.
 */

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tsm.h"
#include "visit.h"

#define CLIENTS_FD 3

static const char *const usage =
        "Usage: cvm-attest [--tsm DIR] [--tpm DEVICE] [--event-log FILE] [--ccel FILE]\n";

static int main_parse(int argc, char **argv, EvidenceSources *sources)
{
        const struct {
                const char *name, **value;
        } options[] = {
                {"--tsm", &sources->tsm},
                {"--tpm", &sources->tpm},
                {"--event-log", &sources->event_log},
                {"--ccel", &sources->ccel},
        };

        for (int i = 1; i < argc; i += 2) {
                size_t j = 0;

                while (j < ARRAY_SIZE(options) && strcmp(argv[i], options[j].name) != 0)
                        j++;
                if (j == ARRAY_SIZE(options) || i + 1 == argc)
                        return -EINVAL;
                *options[j].value = argv[i + 1];
        }
        return 0;
}

/* The next client's socket; -EPIPE once the agent has ended. */
static int main_receive(void)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        char byte;
        struct iovec iov = {&byte, 1};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(CLIENTS_FD, &message, MSG_CMSG_CLOEXEC);
        const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
        int fd;

        if (n <= 0)
                return n < 0 && errno == EINTR ? -EAGAIN : -EPIPE;
        if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
            header->cmsg_len != CMSG_LEN(sizeof(int)))
                return -EAGAIN;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

int main(int argc, char **argv)
{
        EvidenceMaker maker = {
                .sources = {.tsm = TSM_ROOT,
                            .tpm = VTPM_DEVICE,
                            .event_log = "/sys/kernel/security/tpm0/binary_bios_measurements",
                            .ccel = "/sys/firmware/acpi/tables/data/CCEL"},
                .mutex = PTHREAD_MUTEX_INITIALIZER,
        };
        ChannelKey *key;
        Visits *visits;
        int fd = -1;

        if (main_parse(argc, argv, &maker.sources) < 0) {
                fputs(usage, stderr);
                return 64;
        }
        signal(SIGPIPE, SIG_IGN);
        setenv("TSS2_LOG", "all+none", 1); /* reasons are in the answers */
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        key = channel_key_new();
        visits = key ? visits_new(key, &maker) : NULL;
        while (visits && fd != -EPIPE) {
                fd = main_receive();
                if (fd >= 0)
                        visits_add(visits, fd);
        }
        return visits ? 0 : 1;
}
