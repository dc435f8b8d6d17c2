/* SPDX-License-Identifier: Apache-2.0 */

/* Why a CVM is ended, and how its end is reported, by the driver and by the record. */

#include "test.h"

#include <string.h>

#include "base/json.h"
#include "driver/qemu/qemu_ending.h"
#include "vm/vm_state.h"

static void assert_ending(EndingKind found, EndingKind wanted)
{
        if (found != wanted)
                fail_msg("%s, not %s", found ? ending_get(found)->name : "none",
                         wanted ? ending_get(wanted)->name : "none");
}

static void test_what_goes_before_what(void **state)
{
        static const struct {
                EndingKind noted[3];
                VmStopStep step;
                EndingKind ending; /* with a driver that has seen qemu-signal */
        } cases[] = {
                {{}, VM_STOP_NONE, ENDING_QEMU_SIGNAL},
                {{ENDING_POWER_OFF}, VM_STOP_QUIT, ENDING_POWER_OFF},
                {{ENDING_POWER_OFF}, VM_STOP_KILL, ENDING_POWER_OFF},
                {{ENDING_GUEST_RESET, ENDING_GUEST_PANIC}, VM_STOP_QUIT, ENDING_GUEST_RESET},
                {{ENDING_POWER_OFF, ENDING_STOPPED}, VM_STOP_QUIT, ENDING_STOPPED},
                {{ENDING_STOPPED, ENDING_POWER_OFF}, VM_STOP_POWERDOWN, ENDING_STOPPED},
                {{ENDING_STOPPED}, VM_STOP_KILL, ENDING_KILLED},
                {{ENDING_STOPPED, ENDING_EXPIRED}, VM_STOP_QUIT, ENDING_STOPPED},
                {{ENDING_EXPIRED, ENDING_STOPPED}, VM_STOP_QUIT, ENDING_EXPIRED},
                {{ENDING_POWER_OFF, ENDING_EXPIRED}, VM_STOP_KILL, ENDING_EXPIRED},
                {{ENDING_POWER_OFF, ENDING_RESTART_REQUESTED},
                 VM_STOP_QUIT,
                 ENDING_RESTART_REQUESTED},
                {{ENDING_RESTART_REQUESTED, ENDING_GUEST_PANIC},
                 VM_STOP_KILL,
                 ENDING_RESTART_REQUESTED},
                {{ENDING_RESTART_REQUESTED, ENDING_STOPPED}, VM_STOP_QUIT, ENDING_STOPPED},
                {{ENDING_RESTART_REQUESTED, ENDING_EXPIRED}, VM_STOP_QUIT, ENDING_EXPIRED},
                {{ENDING_EXPIRED, ENDING_RESTART_REQUESTED}, VM_STOP_QUIT, ENDING_EXPIRED},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *record = json_object_new_object();
                VmCause cause = {}, read = {};

                for (size_t n = 0; n < 3 && cases[i].noted[n]; n++)
                        (void)vm_cause_note(&cause, cases[i].noted[n]);
                vm_cause_set_step(&cause, cases[i].step);
                vm_cause_set_powerdown(&cause, (uint32_t)i + 1);
                assert_ending(vm_cause_ending(&cause, ENDING_QEMU_SIGNAL), cases[i].ending);
                vm_cause_save(&cause, record);
                vm_cause_load(&read, record);
                assert_ending(read.kind, cause.kind);
                assert_int_equal(read.step, VM_STOP_NONE);
                assert_int_equal(read.powerdown_sec, i + 1);
                vm_cause_conclude(&cause);
                assert_ending(cause.kind, vm_cause_is_asked_for(&read) ? read.kind : ENDING_NONE);
        }
}

/* As cvmd 0.1.0 wrote them. */
static void test_members_of_records(void **state)
{
        static const struct {
                const char *record;
                EndingKind kind;
        } cases[] = {
                {"{\"stopRequested\":false}", ENDING_NONE},
                {"{}", ENDING_NONE},
                {"{\"stopRequested\":true}", ENDING_STOPPED},
                {"{\"stopRequested\":true,\"expired\":true}", ENDING_EXPIRED},
                {"{\"stopRequested\":false,\"leaving\":\"guest-panic\"}", ENDING_GUEST_PANIC},
                {"{\"stopRequested\":true,\"leaving\":\"guest-panic\"}", ENDING_STOPPED},
                {"{\"stopRequested\":false,\"leaving\":\"of another version\"}", ENDING_NONE},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *record = NULL;
                VmCause cause = {};

                assert_int_equal(
                        json_parse(cases[i].record, strlen(cases[i].record), &record, NULL), 0);
                vm_cause_load(&cause, record);
                assert_ending(cause.kind, cases[i].kind);
        }
}

static void test_run_states(void **state)
{
        for (RunState i = RUN_STATE_UNKNOWN + 1; i < _RUN_STATE_MAX; i++)
                assert_int_equal(run_state_parse(run_state_name(i)), i);
        assert_int_equal(run_state_parse("unknown"), RUN_STATE_UNKNOWN);
        assert_int_equal(run_state_parse(""), RUN_STATE_UNKNOWN);
        assert_ending(qemu_ending_of_state(RUN_STATE_RUNNING), ENDING_NONE);
        assert_ending(qemu_ending_of_state(RUN_STATE_SHUTDOWN), ENDING_POWER_OFF_OR_REBOOT);
        assert_ending(qemu_ending_of_state(RUN_STATE_GUEST_PANICKED), ENDING_GUEST_PANIC);
        assert_ending(qemu_ending_of_state(RUN_STATE_INTERNAL_ERROR), ENDING_INTERNAL_ERROR);
}

static void test_what_qemu_tells(void **state)
{
        static const struct {
                const char *reason; /* of SHUTDOWN; "": there was none */
                DriverEnding seen;
                EndingKind kind;
        } cases[] = {
                {"guest-shutdown", {.has_exit_code = true}, ENDING_POWER_OFF},
                {"guest-reset", {.has_exit_code = true}, ENDING_GUEST_RESET},
                {"guest-panic", {.has_exit_code = true, .exit_code = 1}, ENDING_GUEST_PANIC},
                {"host-error", {.has_signal = true, .signal = 9}, ENDING_INTERNAL_ERROR},
                {"host-qmp-quit", {.has_exit_code = true}, ENDING_STOPPED},
                {"host-signal", {.has_signal = true, .signal = 11}, ENDING_QEMU_SIGNAL},
                {NULL, {.has_exit_code = true}, ENDING_STOPPED},
                {NULL, {.has_exit_code = true, .exit_code = 1}, ENDING_QEMU_EXIT},
                {"", {.has_exit_code = true}, ENDING_QEMU_EXIT},
                {"", {.has_signal = true, .signal = 11}, ENDING_QEMU_SIGNAL},
                {"", {}, ENDING_LOST},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                bool none = cases[i].reason && !*cases[i].reason;
                EndingKind told = none ? ENDING_NONE : qemu_ending_of_shutdown(cases[i].reason);

                assert_ending(qemu_ending_conclude(told, &cases[i].seen), cases[i].kind);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_goes_before_what),
                cmocka_unit_test(test_members_of_records),
                cmocka_unit_test(test_run_states),
                cmocka_unit_test(test_what_qemu_tells),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
