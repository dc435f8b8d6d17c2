/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "resolver.h"

static void test_written(void **state)
{
        char directory[] = "/tmp/test-hal-resolver-XXXXXX", path[64];
        struct in_addr servers[2] = {};
        char *text;

        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/resolv.conf", directory);
        inet_aton("10.0.2.3", servers);
        inet_aton("255.255.255.255", servers + 1);
        assert_int_equal(resolver_write(path, servers, 2), 0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 4096, &text, NULL), 0);
        assert_string_equal(text, "nameserver 10.0.2.3\nnameserver 255.255.255.255\n");
        free(text);
        /* None is a file without any: programs then ask this machine, and nobody else. */
        assert_int_equal(resolver_write(path, servers, 0), 0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 4096, &text, NULL), 0);
        assert_string_equal(text, "");
        free(text);
        unlink(path);
        assert_int_equal(rmdir(directory), 0);
        assert_int_equal(resolver_write(path, servers, 1), -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
