/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt says that it can do, and what a domain lacks of it. */
#include "test.h"

#include <string.h>

#include "host/libvirt_probe.h"

#define ENUM(name, value) "<enum name='" name "'><value>file</value><value>" value "</value></enum>"
/* as 9.0 and 12.8 answer, what is asked of them */
#define OLD                                                                                        \
        "<domainCapabilities><memoryBacking supported='yes'>" ENUM(                                \
                "sourceType", "memfd") "</memoryBacking><devices><filesystem "                     \
                                       "supported='yes'>" ENUM("driverType",                       \
                                                               "path") "</filesystem></"           \
                                                                       "devices><features><sev "   \
                                                                       "supported='yes'/></"       \
                                                                       "features></"               \
                                                                       "domainCapabilities>"
#define NEW                                                                                        \
        "<domainCapabilities><memoryBacking supported='yes'>" ENUM(                                \
                "sourceType",                                                                      \
                "memfd") "</memoryBacking><devices><interface "                                    \
                         "supported='yes'>" ENUM(                                                  \
                                 "backendType",                                                    \
                                 "passt") "</interface><filesystem "                               \
                                          "supported='yes'>" ENUM(                                 \
                                                  "driverType",                                    \
                                                  "path") "</filesystem>"                          \
                                                          "<tpm supported='yes'>" ENUM(            \
                                                                  "backendModel",                  \
                                                                  "external") "</tpm>"             \
                                                                              "</"                 \
                                                                              "devices><features>" \
                                                                              "<sev "              \
                                                                              "supported='no'/"    \
                                                                              "><launchSecurity "  \
                                                                              "supported='yes'>"   \
                                                                              "<enum "             \
                                                                              "name='sectype'><"   \
                                                                              "value>sev-snp</"    \
                                                                              "value><value>tdx</" \
                                                                              "value></enum></"    \
                                                                              "launchSecurity>"    \
                                                                              "</features></"      \
                                                                              "domainCapabilities" \
                                                                              ">"

static void test_parse(void **state)
{
        LibvirtFacts facts = {};

        assert_int_equal(libvirt_probe_parse(OLD, &facts), 0);
        assert_true(facts.memfd && facts.shares && facts.sev);
        assert_false(facts.passt || facts.tpm || facts.sev_snp || facts.tdx);
        assert_int_equal(libvirt_probe_parse(NEW, &facts), 0);
        assert_true(facts.memfd && facts.shares && facts.passt && facts.sev_snp && facts.tdx);
        assert_true(facts.tpm);
        assert_false(facts.sev);
        assert_int_equal(libvirt_probe_parse("<domainCapabilities/>", &facts), 0);
        assert_false(facts.memfd || facts.shares || facts.passt || facts.sev || facts.tdx);
        assert_int_equal(libvirt_probe_parse("<domainCapabilities>", &facts), -EBADMSG);
}

static HostCheckList needs(const LibvirtFacts *facts, const char *security, bool tpm, bool all)
{
        LibvirtNeeds wanted = {.tpm = tpm};
        HostCheckList list = {};

        strncpy(wanted.security, security, sizeof(wanted.security) - 1);
        assert_int_equal(
                libvirt_needs_check(facts, "qemu:///system", "no socket", &wanted, all, &list), 0);
        return list;
}

static void test_needs(void **state)
{
        LibvirtFacts facts = {.version = 9000000, .memfd = true, .shares = true, .sev = true};
        HostCheckList list = needs(NULL, "sev", false, false);

        assert_int_equal(list.n, 1);
        assert_string_equal(list.items[0].found, "no socket");
        assert_non_null(strstr(list.items[0].fix, "libvirt.uri"));
        host_check_list_done(&list);

        list = needs(&facts, "sev", false, false);
        assert_int_equal(list.n, 0);
        host_check_list_done(&list);

        list = needs(&facts, "sev-snp", false, false);
        assert_int_equal(list.n, 1);
        assert_string_equal(list.items[0].name, "libvirt-security");
        assert_string_equal(list.items[0].found, "libvirt 9.0.0 supports sev here");
        assert_string_equal(list.items[0].needed, "launch security sev-snp");
        assert_non_null(strstr(list.items[0].fix, "10.5"));
        host_check_list_done(&list);

        facts.memfd = facts.shares = false;
        list = needs(&facts, "", false, false);
        assert_int_equal(list.n, 2);
        host_check_list_done(&list);

        list = needs(&facts, "", true, false);
        assert_int_equal(list.n, 3);
        assert_string_equal(list.items[2].name, "libvirt-tpm");
        assert_non_null(strstr(list.items[2].fix, "swtpm-tools"));
        host_check_list_done(&list);
        facts.tpm = true;
        list = needs(&facts, "", true, false);
        assert_int_equal(list.n, 2);
        host_check_list_done(&list);

        list = needs(&facts, "tdx", false, true);
        assert_int_equal(list.n, 5);
        assert_true(list.items[0].passed && !list.items[1].passed && !list.items[4].passed);
        assert_string_equal(list.items[0].found, "libvirt 9.0.0");
        host_check_list_done(&list);
}

static void test_probe(void **state)
{
        _cleanup_free_ char *reason = NULL;
        LibvirtFacts facts = {};

        assert_true(libvirt_probe("qemu:///nothing", &facts, &reason) < 0);
        assert_true(reason && *reason);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_needs),
                cmocka_unit_test(test_probe),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
