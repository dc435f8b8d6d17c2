/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <json-c/json.h>
#include <uv.h>

#include "base/clock.h"
#include "base/json.h"
#include "leaks.h"
#include "vm/vm_stages.h"

static void test_course(void **state)
{
        VmStages stages = {};
        int64_t now = clock_now_usec();

        vm_stages_end(&stages, true); /* nothing is in progress */
        vm_stages_drop(&stages);
        assert_int_equal(stages.n, 0);
        vm_stages_begin(&stages, "admitted", uv_hrtime() - 5000000);
        assert_true(stages.items[0].at >= now - 6000 && stages.items[0].at <= clock_now_usec());
        assert_int_equal(stages.items[0].usec, -1);
        vm_stages_end(&stages, false);
        assert_true(stages.items[0].usec >= 5000 && stages.items[0].usec < 60000000);
        vm_stages_end(&stages, true); /* it has ended */
        assert_false(stages.items[0].failed);
        vm_stages_begin(&stages, "turn", uv_hrtime());
        vm_stages_drop(&stages);
        assert_int_equal(stages.n, 1);
        vm_stages_begin(&stages, "created", uv_hrtime());
        vm_stages_end(&stages, true);
        assert_true(stages.items[1].failed);
        assert_int_equal(vm_stages_begun(&stages, "created"), stages.items[1].at);
        assert_int_equal(vm_stages_begun(&stages, "turn"), 0);
        vm_stages_reset(&stages);
        assert_int_equal(stages.n, 0);
}

static void test_bounds(void **state)
{
        VmStages stages = {};

        for (size_t i = 0; i < 3 * VM_STAGES_MAX; i++)
                vm_stages_begin(&stages, "a-name-that-is-much-too-long", uv_hrtime());
        assert_int_equal(stages.n, VM_STAGES_MAX);
        assert_int_equal(strlen(stages.items[5].name), VM_STAGE_NAME_MAX);
        vm_stages_done(&stages);
}

static json_object *parse(const char *text)
{
        json_object *object;

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return object;
}

/* How many of them a record's text gives. */
static size_t loaded(const char *text)
{
        json_object *recorded = parse(text);
        VmStages stages = {};
        size_t n;

        vm_stages_load(&stages, recorded);
        n = stages.n;
        vm_stages_done(&stages);
        json_object_put(recorded);
        return n;
}

static void test_record(void **state)
{
        static const char text[] =
                "[{\"name\":\"admitted\",\"at\":7,\"durationUsec\":0},"
                "{\"name\":\"created\",\"at\":9,\"durationUsec\":5,\"failed\":true},"
                "{\"name\":\"companions\",\"at\":20}]";
        json_object *recorded = parse(text), *again;
        VmStages stages = {};

        vm_stages_load(&stages, recorded);
        again = vm_stages_to_json(&stages);
        assert_string_equal(json_object_to_json_string_ext(again, JSON_C_TO_STRING_PLAIN), text);
        json_object_put(again);
        json_object_put(recorded);
        vm_stages_done(&stages);
        assert_int_equal(loaded("{}"), 0);
        assert_int_equal(loaded("[{\"name\":\"a\",\"at\":0}]"), 0);
        assert_int_equal(loaded("[{\"name\":\"a\",\"at\":1},{\"name\":\"A\",\"at\":1}]"), 1);
        assert_int_equal(loaded("[{\"name\":\"sixteenletterssss\",\"at\":1}]"), 0);
        assert_int_equal(loaded("[{\"name\":\"\",\"at\":1}]"), 0);
        assert_int_equal(loaded("[{\"name\":\"a\",\"at\":1,\"durationUsec\":-2}]"), 0);
        assert_int_equal(loaded("[3]"), 0);
        vm_stages_load(&stages, NULL);
        assert_int_equal(stages.n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_course),
                leaks_unit_test(test_bounds),
                leaks_unit_test(test_record),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
