/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/macros.h"
#include "driver/libvirt/libvirt_commands.h"

static LibvirtCommands commands;
static uint64_t serial;

static void add(LibvirtVerb verb, const char *id)
{
        LibvirtCommand *command = libvirt_command_new(verb, id, NULL, ++serial);

        assert_non_null(command);
        libvirt_commands_add(&commands, command);
}

static LibvirtCommand *taken(LibvirtVerb verb, const char *id)
{
        LibvirtCommand *command = libvirt_commands_take(&commands);

        assert_non_null(command);
        assert_int_equal(command->verb, verb);
        assert_string_equal(command->id, id);
        return command;
}

static void nothing(void)
{
        assert_null(libvirt_commands_take(&commands));
}

static void done(LibvirtCommand *command)
{
        libvirt_commands_done(&commands, command);
}

static void one_after_the_other(void **state)
{
        LibvirtCommand *first, *other;

        add(LIBVIRT_SUSPEND, "a");
        add(LIBVIRT_RESUME, "a");
        add(LIBVIRT_LOOK, "b");
        first = taken(LIBVIRT_SUSPEND, "a");
        other = taken(LIBVIRT_LOOK, "b");
        nothing();
        done(other);
        nothing();
        done(first);
        done(taken(LIBVIRT_RESUME, "a"));
        nothing();
}

static void a_destruction_overtakes(void **state)
{
        LibvirtCommand *create, *destroy;

        add(LIBVIRT_CREATE, "a");
        add(LIBVIRT_RESUME, "a");
        create = taken(LIBVIRT_CREATE, "a");
        add(LIBVIRT_DESTROY, "a");
        add(LIBVIRT_DESTROY, "a");
        destroy = taken(LIBVIRT_DESTROY, "a");
        nothing();
        done(destroy);
        destroy = taken(LIBVIRT_DESTROY, "a");
        done(create);
        nothing(); /* the resumption comes after both */
        done(destroy);
        done(taken(LIBVIRT_RESUME, "a"));
}

static void but_not_what_has_not_begun(void **state)
{
        LibvirtCommand *running[LIBVIRT_COMMANDS_MAX];
        static const char *const ids[] = {"a", "b", "c", "d"};

        _Static_assert(ARRAY_SIZE(ids) == LIBVIRT_COMMANDS_MAX, "one each");
        for (size_t i = 0; i < LIBVIRT_COMMANDS_MAX; i++) {
                add(LIBVIRT_LOOK, ids[i]);
                running[i] = taken(LIBVIRT_LOOK, ids[i]);
        }
        add(LIBVIRT_CREATE, "e");
        add(LIBVIRT_DESTROY, "e");
        nothing(); /* as many as may be run, and e is not there yet */
        add(LIBVIRT_DESTROY, "a");
        done(taken(LIBVIRT_DESTROY, "a"));
        done(running[0]);
        running[0] = taken(LIBVIRT_CREATE, "e");
        done(taken(LIBVIRT_DESTROY, "e"));
        for (size_t i = 0; i < LIBVIRT_COMMANDS_MAX; i++)
                done(running[i]);
}

static void those_that_wait_are_cleared(void **state)
{
        LibvirtCommand *first;

        add(LIBVIRT_LOOK, "a");
        add(LIBVIRT_LOOK, "a");
        first = taken(LIBVIRT_LOOK, "a");
        libvirt_commands_clear(&commands);
        done(first);
        nothing();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_after_the_other),
                cmocka_unit_test(a_destruction_overtakes),
                cmocka_unit_test(but_not_what_has_not_begun),
                cmocka_unit_test(those_that_wait_are_cleared),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
