/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <linux/input.h>
#include <unistd.h>

#include "power.h"

static void key_send(int fd, unsigned short code, int value)
{
        struct input_event event = {.type = EV_KEY, .code = code, .value = value};

        assert_int_equal(write(fd, &event, sizeof(event)), sizeof(event));
}

static void test_pressed(void **state)
{
        int ends[2], device;

        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        device = ends[0];
        assert_false(power_is_pressed(&device));
        key_send(ends[1], KEY_SLEEP, 1);
        key_send(ends[1], KEY_POWER, 0);
        assert_false(power_is_pressed(&device));
        key_send(ends[1], KEY_SLEEP, 1);
        key_send(ends[1], KEY_POWER, 1);
        assert_true(power_is_pressed(&device));
        assert_int_equal(device, ends[0]);
        close(ends[0]);
        close(ends[1]);
}

/* It would be ready for ever, and whoever waits for it would not rest. */
static void test_gone(void **state)
{
        int ends[2], device;

        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        device = ends[0];
        key_send(ends[1], KEY_POWER, 1);
        close(ends[1]);
        assert_true(power_is_pressed(&device));
        assert_int_equal(device, -1);
        assert_int_equal(fcntl(ends[0], F_GETFD), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pressed),
                cmocka_unit_test(test_gone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
