/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "credential.h"

/* An SMBIOS structure: its formatted part, then strings. */
#define STRUCTURE "\x0b\x05\x00\x0b\x02"
#define PARSE(data, name, ret) credential_parse_smbios(data, sizeof(data), name, ret)

static void test_smbios(void **state)
{
        static const char data[] = STRUCTURE "other\0"
                                             "io.systemd.credential:ab=no\0"
                                             "io.systemd.credential:a=x=y z\0"
                                             "io.systemd.credential:a=second\0"
                                             "io.systemd.credential.binary:b=aGVsbG8=\0"
                                             "io.systemd.credential.binary:c=AGEA\0"
                                             "io.systemd.credential.binary:d=!\0"
                                             "io.systemd.credential:e=\0";
        char *value = NULL;

        assert_int_equal(PARSE(data, "a", &value), 0);
        assert_string_equal(value, "x=y z");
        free(value);
        assert_int_equal(PARSE(data, "b", &value), 0);
        assert_string_equal(value, "hello");
        free(value);
        assert_int_equal(PARSE(data, "e", &value), 0);
        assert_string_equal(value, "");
        free(value);
        assert_int_equal(PARSE(data, "c", &value), -ENOENT); /* has a NUL byte */
        assert_int_equal(PARSE(data, "d", &value), -ENOENT); /* no base64 */
        assert_int_equal(PARSE(data, "", &value), -ENOENT);
        assert_int_equal(PARSE(data, "other", &value), -ENOENT);
}

static void test_smbios_refused(void **state)
{
        char *value = NULL;

        /* Sizes without the NUL that C adds. */
        assert_int_equal(credential_parse_smbios("", 0, "a", &value), -EBADMSG);
        assert_int_equal(credential_parse_smbios("\x0b\x05\x00", 3, "a", &value), -EBADMSG);
        assert_int_equal(credential_parse_smbios("\x0b\x06\x00\x0b\x02", 5, "a", &value), -EBADMSG);
        assert_int_equal(credential_parse_smbios("\x0b\x03\x00\x0b\x02", 5, "a", &value), -EBADMSG);
        assert_int_equal(credential_parse_smbios("\x01\x05\x00\x0b\x02\0\0", 7, "a", &value),
                         -EBADMSG);
        assert_int_equal(
                credential_parse_smbios(STRUCTURE "io.systemd.credential:a=x", 30, "a", &value),
                -EBADMSG);
        assert_int_equal(credential_parse_smbios(STRUCTURE, 5, "a", &value), -ENOENT);
        assert_null(value);
}

static void test_vsock(void **state)
{
        static const char *const bad[] = {
                "",
                "vsock",
                "vsock:2",
                "vsock::1",
                "vsock:2:",
                "vsock:2:0",
                "vsock:2:4294967295",
                "vsock:4294967295:1",
                "vsock:2:1 ",
                "vsock:-1:1",
                "vsock-dgram:2:1",
                "unix:/run/x",
                "2:1",
                "vsock-stream:2:1:3",
        };
        uint32_t cid = 0, port = 0;

        assert_int_equal(credential_parse_vsock("vsock-stream:2:1234", &cid, &port), 0);
        assert_int_equal(cid, 2);
        assert_int_equal(port, 1234);
        assert_int_equal(credential_parse_vsock("vsock:3:4294967294", &cid, &port), 0);
        assert_int_equal(cid, 3);
        assert_true(port == UINT32_MAX - 1);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (credential_parse_vsock(bad[i], &cid, &port) != -EINVAL)
                        fail_msg("%s was accepted", bad[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_smbios),
                cmocka_unit_test(test_smbios_refused),
                cmocka_unit_test(test_vsock),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
