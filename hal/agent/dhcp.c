/* SPDX-License-Identifier: Apache-2.0 */
#include "dhcp.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

/* Offsets in a message, RFC 2131 section 2. */
enum {
        OP = 0,
        HTYPE = 1,
        HLEN = 2,
        XID = 4,
        FLAGS = 10,
        YIADDR = 16,
        CHADDR = 28,
        COOKIE = 236,
        OPTIONS = 240,
};

enum {
        OPTION_PAD = 0,
        OPTION_NETMASK = 1,
        OPTION_ROUTER = 3,
        OPTION_DNS = 6,
        OPTION_ADDRESS = 50,
        OPTION_SECONDS = 51,
        OPTION_TYPE = 53,
        OPTION_SERVER = 54,
        OPTION_PARAMETERS = 55,
        OPTION_END = 255,
};

static const uint8_t cookie[] = {99, 130, 83, 99};

static uint8_t *put_option(uint8_t *next, uint8_t code, const void *data, uint8_t size)
{
        *next++ = code;
        *next++ = size;
        return mempcpy(next, data, size);
}

size_t dhcp_build(DhcpType type, uint32_t xid, const uint8_t mac[static DHCP_MAC_SIZE],
                  const DhcpLease *offer, uint8_t ret[static DHCP_MESSAGE_MAX])
{
        static const uint8_t parameters[] = {OPTION_NETMASK, OPTION_ROUTER, OPTION_DNS,
                                             OPTION_SECONDS};
        uint8_t *next = ret + OPTIONS, kind = (uint8_t)type;

        memset(ret, 0, DHCP_MESSAGE_MAX);
        ret[OP] = 1;    /* request */
        ret[HTYPE] = 1; /* Ethernet */
        ret[HLEN] = DHCP_MAC_SIZE;
        memcpy(ret + XID, &xid, sizeof(xid));
        ret[FLAGS] = 0x80; /* answer by broadcast: this host has no address yet */
        memcpy(ret + CHADDR, mac, DHCP_MAC_SIZE);
        memcpy(ret + COOKIE, cookie, sizeof(cookie));
        next = put_option(next, OPTION_TYPE, &kind, 1);
        if (type == DHCP_REQUEST) {
                next = put_option(next, OPTION_ADDRESS, &offer->address, 4);
                next = put_option(next, OPTION_SERVER, &offer->server, 4);
        }
        next = put_option(next, OPTION_PARAMETERS, parameters, sizeof(parameters));
        *next++ = OPTION_END;
        /* Some servers drop what is shorter than BOOTP's 300 bytes; the rest is padding. */
        return next - ret < 300 ? 300 : (size_t)(next - ret);
}

/* An option's value of at least four bytes. */
static void parse_option(uint8_t code, const uint8_t *value, uint8_t length, DhcpLease *lease)
{
        if (code == OPTION_NETMASK)
                memcpy(&lease->netmask, value, 4);
        else if (code == OPTION_ROUTER)
                memcpy(&lease->router, value, 4);
        else if (code == OPTION_SERVER)
                memcpy(&lease->server, value, 4);
        else if (code == OPTION_SECONDS)
                lease->seconds = (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 |
                                 (uint32_t)value[2] << 8 | value[3];
        else if (code == OPTION_DNS)
                for (lease->n_dns = 0; lease->n_dns < DHCP_DNS_MAX && length >= 4; length -= 4) {
                        memcpy(lease->dns + lease->n_dns++, value, 4);
                        value += 4;
                }
}

int dhcp_parse(const uint8_t *data, size_t size, uint32_t xid,
               const uint8_t mac[static DHCP_MAC_SIZE], DhcpLease *ret)
{
        DhcpLease lease = {};
        size_t i = OPTIONS;

        if (size < OPTIONS || data[OP] != 2 || memcmp(data + XID, &xid, sizeof(xid)) != 0 ||
            memcmp(data + CHADDR, mac, DHCP_MAC_SIZE) != 0 ||
            memcmp(data + COOKIE, cookie, sizeof(cookie)) != 0)
                return -EBADMSG;
        memcpy(&lease.address, data + YIADDR, 4);
        while (i < size && data[i] != OPTION_END) {
                const uint8_t *value = data + i + 2;
                uint8_t code = data[i], length;

                if (code == OPTION_PAD) {
                        i++;
                        continue;
                }
                if (size - i < 2)
                        return -EBADMSG;
                length = data[i + 1];
                if (size - i - 2 < length)
                        return -EBADMSG;
                i += 2 + (size_t)length;
                if (code == OPTION_TYPE && length == 1)
                        lease.type = value[0];
                else if (length >= 4)
                        parse_option(code, value, length, &lease);
        }
        if (lease.type != DHCP_OFFER && lease.type != DHCP_ACK && lease.type != DHCP_NAK)
                return -EBADMSG;
        if (lease.type != DHCP_NAK && lease.address.s_addr == INADDR_ANY)
                return -EBADMSG;
        *ret = lease;
        return 0;
}

/* Offsets in an IPv4 packet (RFC 791) and, behind its header, in UDP's (RFC 768). */
enum {
        AT_VERSION_SIZE = 0,
        AT_LENGTH = 2,
        AT_FRAGMENT = 6,
        AT_PROTOCOL = 9,
        AT_UDP_PORT = 2,
        AT_UDP_LENGTH = 4,
        AT_UDP_DATA = 8,
};

static size_t get_be16(const uint8_t *data)
{
        return (size_t)data[0] << 8 | data[1];
}

int dhcp_unwrap(const uint8_t *packet, size_t size, const uint8_t **ret, size_t *ret_size)
{
        size_t header, length;
        const uint8_t *udp;

        if (size < 20 || packet[AT_VERSION_SIZE] >> 4 != 4 || packet[AT_PROTOCOL] != IPPROTO_UDP ||
            (get_be16(packet + AT_FRAGMENT) & 0x3fff))
                return -EBADMSG;
        header = (packet[AT_VERSION_SIZE] & 0xfu) * 4;
        length = get_be16(packet + AT_LENGTH); /* what is behind it is Ethernet's padding */
        if (header < 20 || length > size || length < header + AT_UDP_DATA)
                return -EBADMSG;
        udp = packet + header;
        if (get_be16(udp + AT_UDP_PORT) != 68 || get_be16(udp + AT_UDP_LENGTH) < AT_UDP_DATA ||
            get_be16(udp + AT_UDP_LENGTH) > length - header)
                return -EBADMSG;
        *ret = udp + AT_UDP_DATA;
        *ret_size = get_be16(udp + AT_UDP_LENGTH) - AT_UDP_DATA;
        return 0;
}

static int64_t now_msec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static int dhcp_socket(const char *interface)
{
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(68)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int one = 1;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) <
                    0 ||
            bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Where answers are read. Some servers (older ones of passt) send them to the address that they
 * offer, which UDP's socket does not see before it is the interface's. */
static int dhcp_listen(const char *interface)
{
        struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                      .sll_protocol = htons(ETHERTYPE_IP),
                                      .sll_ifindex = (int)if_nametoindex(interface)};
        _cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETHERTYPE_IP));

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int dhcp_send(int fd, const uint8_t *message, size_t size)
{
        struct sockaddr_in all = {
                .sin_family = AF_INET, .sin_port = htons(67), .sin_addr.s_addr = INADDR_BROADCAST};

        if (sendto(fd, message, size, 0, (struct sockaddr *)&all, sizeof(all)) < 0)
                return -errno;
        return 0;
}

/* Waits for an answer that is a `type` (or a NAK). */
static int dhcp_await(int fd, uint32_t xid, const uint8_t mac[static DHCP_MAC_SIZE], DhcpType type,
                      int64_t until, DhcpLease *ret)
{
        for (;;) {
                struct pollfd waiting = {.fd = fd, .events = POLLIN};
                int64_t left = until - now_msec();
                uint8_t packet[2048];
                const uint8_t *message;
                size_t size;
                ssize_t n;

                if (left <= 0 || poll(&waiting, 1, (int)left) == 0)
                        return -ETIMEDOUT;
                n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
                if (n < 0 || dhcp_unwrap(packet, (size_t)n, &message, &size) < 0 ||
                    dhcp_parse(message, size, xid, mac, ret) < 0)
                        continue;
                if (ret->type == type || ret->type == DHCP_NAK)
                        return ret->type == type ? 0 : -ECONNREFUSED;
        }
}

int dhcp_acquire(const char *interface, const uint8_t mac[static DHCP_MAC_SIZE], DhcpLease *ret)
{
        _cleanup_close_ int fd = dhcp_socket(interface), heard = dhcp_listen(interface);
        uint8_t message[DHCP_MESSAGE_MAX];
        int r = -ETIMEDOUT;
        uint32_t xid;

        if (fd < 0 || heard < 0)
                return fd < 0 ? fd : heard;
        /* Early after the start there may be no entropy yet; the clock tells requests apart too. */
        if (getrandom(&xid, sizeof(xid), GRND_NONBLOCK) != sizeof(xid))
                xid = (uint32_t)now_msec();
        for (int wait = 500; wait <= 2000; wait *= 2) {
                DhcpLease offer;

                r = dhcp_send(fd, message, dhcp_build(DHCP_DISCOVER, xid, mac, NULL, message));
                if (r < 0)
                        return r;
                r = dhcp_await(heard, xid, mac, DHCP_OFFER, now_msec() + wait, &offer);
                if (r < 0)
                        continue;
                r = dhcp_send(fd, message, dhcp_build(DHCP_REQUEST, xid, mac, &offer, message));
                if (r < 0)
                        return r;
                r = dhcp_await(heard, xid, mac, DHCP_ACK, now_msec() + 500, ret);
                if (r == 0)
                        return 0;
        }
        return r;
}
