/* SPDX-License-Identifier: Apache-2.0 */
#include "local/ports.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"

#define CONNECTIONS_MAX (32u << 20) /* bytes of /proc/net/tcp, 150 a connection */

static int set_reuse(int fd)
{
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ? -errno : 0;
}

/* A socket bound to the port. `reuse`: shares it with sockets that neither listen nor forbid it. */
static int bind_port(struct in_addr address, uint16_t port, SpecProtocol protocol, bool reuse)
{
        const struct sockaddr_in name = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr = address,
        };
        int type = protocol == SPEC_TCP ? SOCK_STREAM : SOCK_DGRAM, r;
        _cleanup_close_ int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (reuse) {
                r = set_reuse(fd);
                if (r < 0)
                        return r;
        }
        if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Whether connections to the port that have ended still linger (TIME_WAIT and the states before it,
 * include/net/tcp_states.h). They refuse a bind for a minute after a server is gone, unless it has
 * SO_REUSEADDR set. */
static bool has_lingering_connections(uint16_t port)
{
        enum { FIN_WAIT1 = 4, FIN_WAIT2 = 5, TIME_WAIT = 6, LAST_ACK = 9, CLOSING = 11 };
        const unsigned lingering = 1u << FIN_WAIT1 | 1u << FIN_WAIT2 | 1u << TIME_WAIT |
                                   1u << LAST_ACK | 1u << CLOSING;
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (file_read_at(AT_FDCWD, "/proc/net/tcp", CONNECTIONS_MAX, &text, NULL) < 0)
                return false;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                unsigned local, state;

                /* number: local address:port, remote address:port, state; the first line is
                 * a title */
                if (sscanf(line, " %*u: %*x:%x %*x:%*x %x", &local, &state) == 2 && local == port &&
                    state < 32 && lingering & 1u << state)
                        return true;
        }
        return false;
}

/* Returns 0, -EADDRINUSE, or another -errno of bind(2) or socket(2). */
static int try_port(struct in_addr address, uint16_t port, SpecProtocol protocol, bool linger,
                    PortHold *ret)
{
        _cleanup_close_ int fd = bind_port(address, port, protocol, false);
        int r;

        if (fd == -EADDRINUSE && linger && protocol == SPEC_TCP && has_lingering_connections(port))
                fd = bind_port(address, port, protocol, true);
        if (fd < 0)
                return fd;
        if (protocol == SPEC_TCP) {
                r = set_reuse(fd);
                if (r < 0)
                        return r;
                ret->fd = TAKE_FD(fd);
        } else {
                ret->fd = -1;
        }
        ret->port = port;
        return 0;
}

static int ports_refuse(int r, const char *address, uint16_t wanted, CvmError *error)
{
        switch (r) {
        case -EADDRINUSE:
                return cvm_error_no_resources(error, "port", wanted ?: 1, 0, NULL);
        case -EADDRNOTAVAIL:
                return cvm_error_invalid_spec(error, "forwards",
                                              "address %s does not belong to this host", address);
        case -EACCES:
                return cvm_error_invalid_spec(
                        error, "forwards",
                        "port %u of %s is privileged, so QEMU cannot bind it; use a higher port",
                        wanted, address);
        default:
                return cvm_error_system(error, r, "bind a port of %s", address);
        }
}

/* Root's daemon may bind them, the QEMU that it gives them to may not. */
static bool is_privileged(uint16_t port)
{
        _cleanup_free_ char *text = NULL;
        unsigned first = 1024;

        if (file_read_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", 64, &text,
                         NULL) == 0)
                sscanf(text, "%u", &first);
        return port < first;
}

int ports_hold(const PortRange *range, uint16_t *cursor, const char *address, uint16_t wanted,
               SpecProtocol protocol, PortHold *ret, CvmError *error)
{
        unsigned n = (unsigned)range->last - range->first + 1, start;
        struct in_addr in;
        int r;

        if (inet_pton(AF_INET, address, &in) != 1)
                return cvm_error_invalid_spec(error, "forwards", "'%s' is not an IPv4 address",
                                              address);
        if (wanted) {
                if (is_privileged(wanted))
                        return ports_refuse(-EACCES, address, wanted, error);
                r = try_port(in, wanted, protocol, true, ret);
                return r < 0 ? ports_refuse(r, address, wanted, error) : 0;
        }

        start = *cursor >= range->first && *cursor <= range->last ? *cursor - (unsigned)range->first
                                                                  : 0;
        for (unsigned i = 0; i < n; i++) {
                uint16_t port = (uint16_t)(range->first + (start + i) % n);

                r = try_port(in, port, protocol, false, ret);
                if (r == 0) {
                        *cursor = (uint16_t)(port + 1); /* past the range: its start, next time */
                        return 0;
                }
                if (r != -EADDRINUSE && r != -EACCES)
                        return ports_refuse(r, address, 0, error);
        }
        return ports_refuse(-EADDRINUSE, address, 0, error);
}

void port_hold_release(PortHold *hold)
{
        if (hold->port && hold->fd >= 0)
                close(hold->fd);
        *hold = (PortHold){.fd = -1};
}
