/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/socket.h>

#include "child.h"
#include "dhcp.h"
#include "log.h"
#include "resolver.h"

#define INTERFACE "eth0"

/* QEMU's documentation, "Network emulation", user-mode networking: net 10.0.2.0/24, gateway .2,
 * DNS server .3, first guest .15. */
#define USER_ADDRESS "10.0.2.15"
#define USER_NETMASK "255.255.255.0"
#define USER_ROUTER "10.0.2.2"
#define USER_DNS "10.0.2.3"

/* Seconds until DHCP is asked again. */
#define PAUSE_MIN 1U
#define PAUSE_MAX 60U

static struct ifreq interface_request(const char *name)
{
        struct ifreq request = {};

        snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
        return request;
}

static int interface_up(int fd, const char *name)
{
        struct ifreq request = interface_request(name);

        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                return -errno;
        request.ifr_flags |= IFF_UP;
        return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static void set_address(struct sockaddr *ret, struct in_addr address)
{
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = address};

        memcpy(ret, &in, sizeof(in));
}

static int interface_configure(int fd, const DhcpLease *lease)
{
        struct ifreq request = interface_request(INTERFACE);
        struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};

        set_address(&request.ifr_addr, lease->address);
        if (ioctl(fd, SIOCSIFADDR, &request) < 0)
                return -errno;
        if (lease->netmask.s_addr != INADDR_ANY) {
                set_address(&request.ifr_netmask, lease->netmask);
                if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
                        return -errno;
        }
        if (lease->router.s_addr == INADDR_ANY)
                return 0;
        set_address(&route.rt_gateway, lease->router);
        set_address(&route.rt_dst, (struct in_addr){INADDR_ANY});
        set_address(&route.rt_genmask, (struct in_addr){INADDR_ANY});
        return ioctl(fd, SIOCADDRT, &route) < 0 && errno != EEXIST ? -errno : 0;
}

/* Returns 0 for a lease, or the reason why there is none: then the interface keeps its address, or
 * has that of a guest without DHCP. */
static int interface_lease(int fd, DhcpLease *lease)
{
        struct ifreq request = interface_request(INTERFACE);
        DhcpLease answer = {};
        int asked = -ENODEV, r;

        if (ioctl(fd, SIOCGIFHWADDR, &request) == 0)
                asked = dhcp_acquire(INTERFACE, (const uint8_t *)request.ifr_hwaddr.sa_data,
                                     &answer);
        if (asked == 0)
                *lease = answer;
        if (asked < 0 && lease->address.s_addr != INADDR_ANY) {
                log_error("asking again for a lease of " INTERFACE ": %s", strerror(-asked));
                return asked;
        }
        if (asked < 0) {
                log_error(INTERFACE " gets no lease: %s; using " USER_ADDRESS, strerror(-asked));
                inet_aton(USER_ADDRESS, &lease->address);
                inet_aton(USER_NETMASK, &lease->netmask);
                inet_aton(USER_ROUTER, &lease->router);
                inet_aton(USER_DNS, lease->dns);
                lease->n_dns = 1;
        }
        r = interface_configure(fd, lease);
        if (r < 0)
                log_error(INTERFACE ": %s", strerror(-r));
        else
                log_info(INTERFACE " has %s", inet_ntoa(lease->address));
        r = resolver_write(RESOLVER_FILE, lease->dns, lease->n_dns);
        if (r < 0)
                log_error(RESOLVER_FILE ": %s", strerror(-r));
        return asked;
}

/* Asks again at half of the lease's time, at least each minute, at most each day. If nobody
 * answers, it asks again after a second, then after twice as long each time up to a minute: a
 * bridge with a spanning tree forwards nothing in the first 30 seconds of a port. */
static void interface_keep(int fd, int configured)
{
        DhcpLease lease = {};
        uint32_t pause = PAUSE_MIN;

        for (;;) {
                int r = interface_lease(fd, &lease);
                uint32_t seconds;

                if (configured >= 0)
                        close(TAKE_FD(configured));
                if (r < 0) {
                        seconds = pause;
                        pause = MIN(pause * 2, PAUSE_MAX);
                } else {
                        seconds = MIN(MAX(lease.seconds / 2, PAUSE_MAX), 86400U);
                        pause = PAUSE_MIN;
                }
                poll(NULL, 0, (int)seconds * 1000);
        }
}

void network_start(void)
{
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct pollfd waiting = {.events = POLLIN};
        int configured[2];
        pid_t pid;

        if (fd < 0 || interface_up(fd, "lo") < 0)
                log_error("lo: %s", strerror(errno));
        if (fd < 0 || interface_up(fd, INTERFACE) < 0 || pipe2(configured, O_CLOEXEC) < 0) {
                log_info("no network interface " INTERFACE);
                return;
        }
        pid = child_fork("cvm-network");
        if (pid == 0) {
                close(configured[0]);
                interface_keep(fd, configured[1]);
                _exit(0);
        }
        close(configured[1]);
        /* The other end is closed once the interface has its address. */
        waiting.fd = configured[0];
        if (pid < 0 || poll(&waiting, 1, 5000) <= 0)
                log_error(INTERFACE " has no address yet");
        close(configured[0]);
}
