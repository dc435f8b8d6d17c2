/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The client's part of DHCP (RFC 2131, options of RFC 2132): messages, and a lease over
 * a socket. */

#include <netinet/in.h>

#include "base/macros.h"

#define DHCP_MESSAGE_MAX 576
#define DHCP_MAC_SIZE 6
#define DHCP_DNS_MAX 3 /* as many as resolv.conf(5) uses */

typedef enum DhcpType {
        DHCP_DISCOVER = 1,
        DHCP_OFFER = 2,
        DHCP_REQUEST = 3,
        DHCP_ACK = 5,
        DHCP_NAK = 6,
} DhcpType;

typedef struct DhcpLease {
        DhcpType type;                                   /* of the message that it came in */
        struct in_addr address, netmask, router, server; /* 0.0.0.0: not given */
        struct in_addr dns[DHCP_DNS_MAX];
        size_t n_dns;
        uint32_t seconds; /* 0: not given */
} DhcpLease;

/* A DISCOVER, or the REQUEST for an offer. Returns its size, at most DHCP_MESSAGE_MAX. */
size_t dhcp_build(DhcpType type, uint32_t xid, const uint8_t mac[static DHCP_MAC_SIZE],
                  const DhcpLease *offer, uint8_t ret[static DHCP_MESSAGE_MAX]);

/* The UDP payload of an IPv4 packet to port 68, borrowed. Returns 0 or -EBADMSG. */
int dhcp_unwrap(const uint8_t *packet, size_t size, const uint8_t **ret, size_t *ret_size);

/* A server's answer to `xid`. Returns 0 or -EBADMSG. */
int dhcp_parse(const uint8_t *data, size_t size, uint32_t xid,
               const uint8_t mac[static DHCP_MAC_SIZE], DhcpLease *ret);

/* Asks for a lease on an interface that is up, for at most about 5 s: servers first see whether an
 * address is free, which takes busybox's 2 s and dnsmasq 3 s. Returns 0, -ETIMEDOUT or -errno. */
int dhcp_acquire(const char *interface, const uint8_t mac[static DHCP_MAC_SIZE], DhcpLease *ret);
