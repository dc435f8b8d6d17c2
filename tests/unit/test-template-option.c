/* SPDX-License-Identifier: Apache-2.0 */
/* How options are written. */
#include "test.h"

#include "base/json.h"
#include "template/template_internal.h"

static json_object *parse(const char *text)
{
        json_object *value = NULL;

        if (json_parse(text, strlen(text), &value, NULL) < 0)
                fail_msg("no JSON: %s", text);
        return value;
}

static void test_written(void **state)
{
        static const struct {
                const char *option, *value, *text; /* text NULL: a flag */
        } cases[] = {
                {"nographic", "null", NULL},
                {"nographic", "true", NULL},
                {"m", "\"8G\"", "8G"},
                {"m", "512", "512"},
                {"m", "{\"size\": \"8G\", \"slots\": 5}", "8G,slots=5"},
                {"machine", "{\"type\": \"q35\", \"hpet\": false, \"x\": true}",
                 "q35,hpet=off,x=on"},
                {"machine", "{\"memory-backend\": \"ram1\", \"type\": \"q35\"}",
                 "memory-backend=ram1,type=q35"},
                {"smp", "{\"cores\": 16, \"sockets\": 1}", "cores=16,sockets=1"},
                {"netdev", "{\"type\": \"user\", \"hostfwd\": [\"a\", \"b\"], \"id\": \"n\"}",
                 "user,hostfwd=a,hostfwd=b,id=n"},
                {"netdev", "{\"type\": \"user\", \"hostfwd\": []}", "user"},
                {"device", "{\"driver\": \"d\", \"romfile\": \"\"}", "d,romfile="},
                {"name", "{\"guest\": \"a,b=c,,d\"}", "guest=a,,b=c,,,,d"},
                {"name", "\"a,b\"", "a,,b"},
                {"name", "{\"guest\": \"\"}", "guest="},
                {"name", "{\"guest\": \"process=sh\"}", "guest=process=sh"},
                {"sandbox", "{\"enable\": \"on\", \"spawn\": \"deny\"}", "on,spawn=deny"},
                {"cpu", "{\"model\": \"EPYC-v4\", \"smep\": true}", "EPYC-v4,smep=on"},
                {"append", "\"a,b ${c\"", "a,b ${c"},
                {"append", "\"\"", ""},
                {"kernel", "\"/a,b\"", "/a,b"},
                {"object",
                 "{\"qom-type\": \"t\", \"id\": \"a,b\", \"s\": {\"p\": \"1,2\", \"n\": 3}}",
                 "{\"qom-type\":\"t\",\"id\":\"a,b\",\"s\":{\"p\":\"1,2\",\"n\":3}}"},
                {"device", "{\"driver\": \"d\", \"l\": [{\"a\": true}]}",
                 "{\"driver\":\"d\",\"l\":[{\"a\":true}]}"},
                {"object", "{\"qom-type\": \"t\", \"q\": \"\\\"\\\\\\n\", \"s\": {}}",
                 "{\"qom-type\":\"t\",\"q\":\"\\\"\\\\\\n\",\"s\":{}}"},
                {"global", "{\"virtio-mmio.force-legacy\": false}", "virtio-mmio.force-legacy=off"},
                {"object", "{\"qom-type\": \"t\", \"n\": 18446744073709551615}",
                 "t,n=18446744073709551615"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *value = parse(cases[i].value);
                _cleanup_(buffer_done) Buffer text = {};
                const char *key, *reason;
                bool has_value;

                assert_int_equal(
                        option_write(cases[i].option, value, &text, &has_value, &key, &reason), 0);
                assert_int_equal(has_value, cases[i].text != NULL);
                if (cases[i].text)
                        assert_string_equal(text.data ?: "", cases[i].text);
        }
}

static void test_refused(void **state)
{
        static const struct {
                const char *option, *value, *key;
        } cases[] = {
                {"S", "false", NULL},
                {"append", "[]", NULL},
                {"append", "1.5", NULL},
                {"smbios", "\"x\"", NULL},
                {"machine", "{}", NULL},
                {"machine", "{\"a\": []}", NULL},
                {"machine", "{\"type\": {\"a\": 1}}", NULL},
                {"machine", "{\"type\": \"q35\", \"a b\": 1}", "a b"},
                {"machine", "{\"type\": \"q35\", \"\": 1}", ""},
                {"machine", "{\"type\": \"q35\", \"a=b\": 1}", "a=b"},
                {"machine", "{\"type\": \"q35\", \"a\": null}", "a"},
                {"machine", "{\"type\": \"q35\", \"a\": 1.5}", "a"},
                {"machine", "{\"type\": \"q35\", \"a\": [[1]]}", "a"},
                {"cpu", "{\"model\": \"a,b\"}", "model"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *value = parse(cases[i].value);
                _cleanup_(buffer_done) Buffer text = {};
                const char *key = NULL, *reason = NULL;
                bool has_value;

                if (option_write(cases[i].option, value, &text, &has_value, &key, &reason) !=
                    -EINVAL)
                        fail_msg("accepted: %s %s", cases[i].option, cases[i].value);
                assert_non_null(reason);
                if (cases[i].key)
                        assert_string_equal(key, cases[i].key);
                else
                        assert_null(key);
        }
}

/* A NUL would end an argument before its end; json_parse() lets none pass, other makers may. */
static void test_nul(void **state)
{
        static const char *const options[] = {"append", "name"};

        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                _cleanup_json_ json_object *value = json_object_new_string_len("a\0b", 3);
                _cleanup_(buffer_done) Buffer text = {};
                const char *key, *reason;
                bool has_value;

                assert_int_equal(option_write(options[i], value, &text, &has_value, &key, &reason),
                                 -EINVAL);
                assert_string_equal(reason, "has a NUL character");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_written),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_nul),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
