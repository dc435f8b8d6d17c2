/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <arpa/inet.h>

#include "dhcp.h"

static const uint8_t mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
#define XID 0x12345678

/* A server's message: the client's own, turned around, with its options from `options` on. */
static size_t make_reply(const uint8_t *options, size_t size, uint8_t ret[static DHCP_MESSAGE_MAX])
{
        dhcp_build(DHCP_DISCOVER, XID, mac, NULL, ret);
        ret[0] = 2;
        inet_pton(AF_INET, "10.0.2.15", ret + 16);
        memcpy(ret + 240, options, size);
        return 240 + size;
}

static const uint8_t ack[] = {
        53,  1,  5,   0,   0,                      /* ACK, padding */
        54,  4,  10,  0,   2,    2,                /* server */
        1,   4,  255, 255, 255,  0,                /* netmask */
        3,   8,  10,  0,   2,    2,    9, 9, 9, 9, /* routers */
        51,  4,  0,   1,   0x51, 0x80,             /* a day */
        6,   4,  10,  0,   2,    3,                /* DNS server */
        42,  4,  10,  0,   2,    4,                /* not asked for */
        255, 53, 1,   2,                           /* the end, and what is after it */
};

static void test_parse(void **state)
{
        uint8_t message[DHCP_MESSAGE_MAX];
        size_t size = make_reply(ack, sizeof(ack), message);
        DhcpLease lease;

        assert_int_equal(dhcp_parse(message, size, XID, mac, &lease), 0);
        assert_int_equal(lease.type, DHCP_ACK);
        assert_int_equal(lease.address.s_addr, inet_addr("10.0.2.15"));
        assert_int_equal(lease.netmask.s_addr, inet_addr("255.255.255.0"));
        assert_int_equal(lease.router.s_addr, inet_addr("10.0.2.2"));
        assert_int_equal(lease.server.s_addr, inet_addr("10.0.2.2"));
        assert_int_equal(lease.seconds, 86400);
        assert_int_equal(lease.n_dns, 1);
        assert_int_equal(lease.dns[0].s_addr, inet_addr("10.0.2.3"));
}

/* As many DNS servers as resolv.conf(5) uses, and no part of one. */
static void test_dns_servers(void **state)
{
        static const uint8_t many[] = {53, 1, 5, 6, 17, 1, 1, 1, 1, 2, 2,  2,
                                       2,  3, 3, 3, 3,  4, 4, 4, 4, 9, 255};
        static const uint8_t part[] = {53, 1, 5, 6, 7, 1, 1, 1, 1, 2, 2, 2, 255};
        static const uint8_t none[] = {53, 1, 5, 6, 3, 1, 1, 1, 255};
        uint8_t message[DHCP_MESSAGE_MAX];
        DhcpLease lease;

        assert_int_equal(
                dhcp_parse(message, make_reply(many, sizeof(many), message), XID, mac, &lease), 0);
        assert_int_equal(lease.n_dns, 3);
        assert_int_equal(lease.dns[2].s_addr, inet_addr("3.3.3.3"));
        assert_int_equal(
                dhcp_parse(message, make_reply(part, sizeof(part), message), XID, mac, &lease), 0);
        assert_int_equal(lease.n_dns, 1);
        assert_int_equal(
                dhcp_parse(message, make_reply(none, sizeof(none), message), XID, mac, &lease), 0);
        assert_int_equal(lease.n_dns, 0);
}

/* Each cut of a message is refused or read, never read beyond: the copy ends where it ends. */
static void test_cut(void **state)
{
        uint8_t message[DHCP_MESSAGE_MAX];
        size_t size = make_reply(ack, sizeof(ack), message);

        for (size_t i = 0; i <= size; i++) {
                _cleanup_free_ uint8_t *copy = malloc(i ?: 1);
                DhcpLease lease;
                int r;

                memcpy(copy, message, i);
                r = dhcp_parse(copy, i, XID, mac, &lease);
                assert_true(r == 0 || r == -EBADMSG);
                if (i < 243)
                        assert_int_equal(r, -EBADMSG);
        }
}

static void test_refused(void **state)
{
        static const uint8_t no_type[] = {1, 4, 255, 255, 255, 0, 255};
        static const uint8_t request[] = {53, 1, 3, 255};
        static const uint8_t overlong[] = {53, 1, 5, 1, 200, 0};
        uint8_t message[DHCP_MESSAGE_MAX], other[DHCP_MESSAGE_MAX];
        size_t size = make_reply(ack, sizeof(ack), message);
        DhcpLease lease = {};

        assert_int_equal(dhcp_parse(message, size, XID + 1, mac, &lease), -EBADMSG);
        for (size_t offset = 0; offset < 240; offset++) {
                memcpy(other, message, size);
                other[offset] ^= 1;
                /* of what is looked at: op, xid, the client's address, the cookie */
                if (offset == 0 || (offset >= 4 && offset < 8) || (offset >= 28 && offset < 34) ||
                    offset >= 236)
                        assert_int_equal(dhcp_parse(other, size, XID, mac, &lease), -EBADMSG);
        }
        memcpy(other, message, size);
        memset(other + 16, 0, 4);
        assert_int_equal(dhcp_parse(other, size, XID, mac, &lease), -EBADMSG);
        size = make_reply(no_type, sizeof(no_type), message);
        assert_int_equal(dhcp_parse(message, size, XID, mac, &lease), -EBADMSG);
        size = make_reply(request, sizeof(request), message);
        assert_int_equal(dhcp_parse(message, size, XID, mac, &lease), -EBADMSG);
        size = make_reply(overlong, sizeof(overlong), message);
        assert_int_equal(dhcp_parse(message, size, XID, mac, &lease), -EBADMSG);
        assert_int_equal(lease.address.s_addr, 0);
}

static void test_build(void **state)
{
        DhcpLease offer = {.address.s_addr = inet_addr("10.0.2.15"),
                           .server.s_addr = inet_addr("10.0.2.2")};
        static const uint8_t options[] = {53, 1, 3, 50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2};
        uint8_t message[DHCP_MESSAGE_MAX];

        assert_int_equal(dhcp_build(DHCP_REQUEST, XID, mac, &offer, message), 300);
        assert_int_equal(message[0], 1);
        assert_int_equal(message[10], 0x80);
        assert_memory_equal(message + 28, mac, sizeof(mac));
        assert_memory_equal(message + 236, "\x63\x82\x53\x63", 4);
        assert_memory_equal(message + 240, options, sizeof(options));
}

/* An IPv4 packet of `size` bytes of data to a port, in memory that ends where it ends. */
static uint8_t *make_packet(size_t options, uint16_t port, size_t size, size_t *ret_size)
{
        size_t header = 20 + options, total = header + 8 + size;
        uint8_t *packet = calloc(1, total), *udp = packet + header;

        packet[0] = (uint8_t)(0x40 | header / 4);
        packet[2] = (uint8_t)(total >> 8);
        packet[3] = (uint8_t)total;
        packet[9] = IPPROTO_UDP;
        udp[3] = (uint8_t)port;
        udp[4] = (uint8_t)((size + 8) >> 8);
        udp[5] = (uint8_t)(size + 8);
        *ret_size = total;
        return packet;
}

static void test_unwrap(void **state)
{
        static const struct {
                size_t at;
                uint8_t value;
        } spoilt[] = {{0, 0x65}, {0, 0x44}, {0, 0x4f}, {2, 2},
                      {6, 0x20}, {7, 1},    {9, 6},    {28 - 4, 9}};
        const uint8_t *data = NULL;
        size_t size = 0, n;

        for (size_t options = 0; options <= 40; options += 4) {
                _cleanup_free_ uint8_t *packet = make_packet(options, 68, 300, &n);

                assert_int_equal(dhcp_unwrap(packet, n, &data, &size), 0);
                assert_ptr_equal(data, packet + 28 + options);
                assert_int_equal(size, 300);
        }
        for (size_t i = 0; i < ARRAY_SIZE(spoilt); i++) {
                _cleanup_free_ uint8_t *packet = make_packet(0, 68, 3, &n);

                assert_int_equal(dhcp_unwrap(packet, n, &data, &size), 0);
                packet[spoilt[i].at] = spoilt[i].value;
                assert_int_equal(dhcp_unwrap(packet, n, &data, &size), -EBADMSG);
        }
        for (size_t cut = 0; cut < 31; cut++) {
                _cleanup_free_ uint8_t *packet = make_packet(0, 68, 3, &n), *copy = malloc(cut + 1);

                memcpy(copy, packet, cut);
                copy = realloc(copy, cut ?: 1);
                assert_int_equal(dhcp_unwrap(copy, cut, &data, &size), -EBADMSG);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse), cmocka_unit_test(test_dns_servers),
                cmocka_unit_test(test_cut),   cmocka_unit_test(test_refused),
                cmocka_unit_test(test_build), cmocka_unit_test(test_unwrap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
