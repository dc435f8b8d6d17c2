/* SPDX-License-Identifier: Apache-2.0 */
#include "local/tap.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_name(struct ifreq *request, const char *name)
{
        snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", name);
}

static int interface_up(int control, const char *name)
{
        struct ifreq request = {};

        set_name(&request, name);
        if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
                return -errno;
        request.ifr_flags |= IFF_UP;
        return ioctl(control, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int bridge_add(const char *bridge, const char *tap)
{
        _cleanup_close_ int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = {};

        if (control < 0)
                return -errno;
        set_name(&request, bridge);
        request.ifr_ifindex = (int)if_nametoindex(tap);
        if (request.ifr_ifindex == 0 || ioctl(control, SIOCBRADDIF, &request) < 0)
                return -errno;
        return interface_up(control, tap);
}

/* Whether the interface has this driver of the kernel ("tun", "bridge"). The interface itself is
 * asked, since a /sys that was mounted in another network namespace shows that one's interfaces. */
static bool is_of_driver(const char *name, const char *driver)
{
        _cleanup_close_ int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
        struct ifreq request = {};

        set_name(&request, name);
        request.ifr_data = (char *)&info;
        return control >= 0 && ioctl(control, SIOCETHTOOL, &request) == 0 &&
               strncmp(info.driver, driver, sizeof(info.driver)) == 0;
}

/* A tap that is named must be there: making one in its place would lead nowhere. */
int tap_check(const char *name, const char *bridge, CvmError *error)
{
        const char *interface = name ?: bridge;

        if (if_nametoindex(interface) == 0)
                return cvm_error_invalid_spec(error, "network", "interface %s does not exist",
                                              interface);
        if (!is_of_driver(interface, name ? "tun" : "bridge"))
                return cvm_error_invalid_spec(error, "network", "interface %s is not a %s",
                                              interface, name ? "tap" : "bridge");
        if (access("/dev/net/tun", R_OK | W_OK) < 0)
                return cvm_error_system(error, -errno, "open /dev/net/tun");
        return 0;
}

static int tap_open_device(const char *name, const char *bridge, CvmError *error)
{
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
        _cleanup_close_ int fd = -1;
        int r;

        r = tap_check(name, bridge, error);
        if (r < 0)
                return r;
        fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return cvm_error_system(error, -errno, "open /dev/net/tun");
        set_name(&request, name ?: "cvm%d");
        if (ioctl(fd, TUNSETIFF, &request) < 0) {
                r = -errno;
                return r == -EBUSY
                               ? cvm_error_no_resources(error, "tap", 1, 0, NULL)
                               : cvm_error_system(error, r, "open tap %s", name ?: "for a bridge");
        }
        if (bridge) {
                r = bridge_add(bridge, request.ifr_name);
                if (r < 0)
                        return cvm_error_system(error, r, "put a tap on bridge %s", bridge);
        }
        return TAKE_FD(fd);
}

int tap_open(const char *name, const char *bridge, bool vhost, Tap *ret, CvmError *error)
{
        _cleanup_(tap_close) Tap tap = {tap_open_device(name, bridge, error), -1};

        if (tap.fd < 0)
                return tap.fd;
        if (vhost) {
                tap.vhost_fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
                if (tap.vhost_fd < 0)
                        return cvm_error_system(error, -errno, "open /dev/vhost-net");
        }
        *ret = tap;
        tap = (Tap){-1, -1};
        return 0;
}

void tap_close(Tap *tap)
{
        closep(&tap->fd);
        closep(&tap->vhost_fd);
        *tap = (Tap){-1, -1};
}
