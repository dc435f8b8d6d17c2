/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/error.h"
#include "base/json.h"

static void assert_message(CvmError *error, const char *expected)
{
        _cleanup_free_ char *message = cvm_error_message(error);

        assert_string_equal(message, expected);
        cvm_error_done(error);
}

static void test_messages(void **state)
{
        CvmError error = {};
        static const char *const states[] = {"running", "paused", NULL};

        assert_int_equal(cvm_error_invalid_spec(&error, "memory", "is %d too small", 3), -EINVAL);
        assert_string_equal(error.name, "io.cvmd.Manager.InvalidSpec");
        assert_message(&error, "spec field 'memory': is 3 too small");

        assert_int_equal(cvm_error_wrong_state(&error, "web", "stopped", states), -EBUSY);
        assert_message(&error, "CVM 'web' is stopped; required state: running, paused");

        assert_int_equal(cvm_error_system(&error, -ENOSPC, "write %s", "record"), -ENOSPC);
        assert_message(&error, "write record: No space left on device");
}

static json_object *names(const char *name)
{
        json_object *array = json_object_new_array();

        if (name)
                json_object_array_add(array, json_object_new_string(name));
        return array;
}

/* Of what there is one of nobody asks how much is left; memory is no number of bytes. */
static void test_resources(void **state)
{
        CvmError error = {};

        cvm_error_no_resources(&error, "memory", INT64_C(4) << 30, (INT64_C(1) << 30) + 5000,
                               names("web"));
        assert_message(&error, "not enough memory: 4G requested, 1G available; in use by web");
        cvm_error_no_resources(&error, "cpus", 4, 1, names(NULL));
        assert_message(&error, "not enough cpus: 4 requested, 1 available");
        cvm_error_no_resources(&error, "port", 8702, 0, NULL);
        assert_message(&error, "port 8702 is in use");
        cvm_error_no_resources(&error, "port", 1, 0, names(NULL));
        assert_message(&error, "every port in cvmd.conf's range is in use");
        cvm_error_no_resources(&error, "cid", 7, 0, names("db"));
        assert_message(&error, "cid 7 is in use by db");
        cvm_error_no_resources(&error, "disk:data", 1, 0, names("db"));
        assert_message(&error, "disk:data is in use by db");
        cvm_error_no_resources(&error, "tap", 1, 0, names("db"));
        assert_message(&error, "tap is in use by db");
        cvm_error_quota(&error, "memory of one user", INT64_C(8) << 30, INT64_C(6) << 30,
                        INT64_C(3) << 30);
        assert_message(
                &error,
                "limit reached for memory of one user: 3G requested, but 6G of 8G are in use");
}

static void test_first_wins(void **state)
{
        CvmError error = {};

        cvm_error_artifact(&error, "kernel", "too short");
        cvm_error_launch(&error, "artifacts", NULL, "failed");
        assert_int_equal(error.id, CVM_ERROR_ARTIFACT_INVALID);
        assert_message(&error, "artifact 'kernel': too short");
}

static void test_wire(void **state)
{
        CvmError error = {};
        _cleanup_json_ json_object *fields =
                json_build("name", json_object_new_string("a\x1b[31m"), NULL);

        assert_int_equal(cvm_error_set_wire(&error, "io.cvmd.Manager.NoSuchCvm", fields), -ENOENT);
        assert_message(&error, "no CVM named 'a\\x1b[31m'; see `cvmctl list`");
        assert_int_equal(cvm_error_set_wire(&error, "org.varlink.service.InvalidParameter", NULL),
                         -EINVAL);
        json_add(error.fields, "parameter", json_object_new_string("id"));
        assert_message(&error, "invalid parameter 'id'");
        cvm_error_invalid_parameter(&error, "id", "must be a UUID");
        assert_message(&error, "invalid parameter 'id': must be a UUID");
        assert_int_equal(cvm_error_set_wire(&error, "io.example.New", fields), -EPROTO);
        assert_int_equal(error.id, CVM_ERROR_OTHER);
        assert_message(&error, "error io.example.New");
}

static void test_not_utf8(void **state)
{
        CvmError error = {};

        cvm_error_no_such_cvm(&error, "\xff", NULL);
        assert_string_equal(json_member_string(error.fields, "name"), "\xef\xbf\xbd");
        cvm_error_done(&error);
}

static void assert_fields(CvmError *error, const char *expected)
{
        assert_string_equal(json_text(error->fields), expected);
        cvm_error_done(error);
}

/* What an error already says of its CVM stays, and what is said of another one is not mixed in. */
static void test_of_a_cvm(void **state)
{
        static const char *const running[] = {"running", NULL};
        CvmError error = {};

        cvm_error_timeout(&error, "ready", 5);
        cvm_error_add_cvm(&error, "web", "i1");
        assert_fields(&error,
                      "{\"stage\":\"ready\",\"afterMSec\":5,\"name\":\"web\",\"id\":\"i1\"}");
        cvm_error_timeout(&error, "ready", 5);
        cvm_error_add_cvm(&error, "web", NULL);
        assert_fields(&error, "{\"stage\":\"ready\",\"afterMSec\":5,\"name\":\"web\"}");
        cvm_error_wrong_state(&error, "web", "paused", running);
        cvm_error_add_cvm(&error, "web", "i1");
        assert_fields(&error, "{\"name\":\"web\",\"state\":\"paused\",\"allowed\":[\"running\"],"
                              "\"id\":\"i1\"}");
        cvm_error_idempotency_mismatch(&error, "i1", "env");
        cvm_error_add_cvm(&error, "web", NULL);
        assert_fields(&error, "{\"id\":\"i1\",\"field\":\"env\"}");
        cvm_error_cvm_exists(&error, "i1", NULL, true);
        cvm_error_add_cvm(&error, "web", "i2");
        assert_fields(&error, "{\"name\":\"i1\",\"anothers\":true}");
        cvm_error_invalid_parameter(&error, "for", "must be %s", "ready");
        cvm_error_add_cvm(&error, "web", "i1");
        assert_fields(&error, "{\"parameter\":\"for\",\"reason\":\"must be ready\"}");
        cvm_error_set_wire(&error, "io.example.New", NULL);
        cvm_error_add_cvm(&error, "web", "i1");
        assert_fields(&error, "{}");
        cvm_error_add_cvm(&error, "web", "i1");
        assert_false(cvm_error_is_set(&error));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),   cmocka_unit_test(test_resources),
                cmocka_unit_test(test_first_wins), cmocka_unit_test(test_wire),
                cmocka_unit_test(test_not_utf8),   cmocka_unit_test(test_of_a_cvm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
