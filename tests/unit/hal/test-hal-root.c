/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "root.h"

static void test_layers(void **state)
{
        RootLayers layers = {};

        assert_int_equal(root_parse_layers("root.erofs 4096\n", &layers), 0);
        assert_int_equal(layers.n_layers, 1);
        assert_string_equal(layers.layers[0].path, "/root.erofs");
        assert_int_equal(layers.layers[0].size, 4096);
        assert_int_equal(root_parse_layers("root.erofs 4096\nroot.debug.erofs 8192\n", &layers), 0);
        assert_int_equal(layers.n_layers, 2);
        assert_string_equal(layers.layers[1].path, "/root.debug.erofs");
        assert_int_equal(layers.layers[1].size, 8192);
}

static void test_no_layers(void **state)
{
        static const char *const texts[] = {
                "",
                "\n",
                "root.erofs\n",
                "root.erofs 4096", /* cut */
                "root.erofs 4096\nroot",
                "root.erofs x\n",
                "../root.erofs 4096\n",
                "dir/root.erofs 4096\n",
                "a 1\na 1\na 1\na 1\na 1\na 1\na 1\na 1\n",
        };
        RootLayers layers = {.n_layers = 99};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                assert_int_equal(root_parse_layers(texts[i], &layers), -EBADMSG);
        assert_int_equal(layers.n_layers, 99);
}

/* What the kernel leaves of a file that does not fit: its size, and not its end. */
static void test_cut_layer(void **state)
{
        char path[] = "/dev/shm/test-hal-root-XXXXXX";
        char block[8192] = "x";
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
        assert_int_equal(root_check_layer(path, 8192), 0);
        assert_int_equal(root_check_layer(path, 8191), -ENOSPC);
        assert_int_equal(ftruncate(fd, 65536), 0);
        assert_int_equal(root_check_layer(path, 65536), -ENOSPC);
        assert_int_equal(ftruncate(fd, 4096), 0);
        assert_int_equal(root_check_layer(path, 8192), -ENOSPC);
        close(fd);
        unlink(path);
        assert_int_equal(root_check_layer(path, 8192), -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_layers),
                cmocka_unit_test(test_no_layers),
                cmocka_unit_test(test_cut_layer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
