/* SPDX-License-Identifier: Apache-2.0 */
#include "specs.h"

/* Parses `text` and returns CvmSpec.given. */
static json_object *given_of(const char *text)
{
        _cleanup_(spec_freep) CvmSpec *spec = assert_accepted(text);

        return json_object_get(spec->given);
}

static void assert_json(json_object *object, const char *expected)
{
        _cleanup_json_ json_object *parsed = NULL;

        assert_int_equal(json_parse(expected, strlen(expected), &parsed, NULL), 0);
        if (!json_object_equal(object, parsed))
                fail_msg("%s\nis not\n%s", json_text(object), expected);
}

/* A spec without secrets and descriptors is shown as it was given. */
static void test_given_as_it_was(void **state)
{
        static const char text[] =
                "{\"name\":\"a\",\"memory\":\"2048M\",\"kernel\":{\"path\":\"/k\"},"
                "\"forwards\":[{\"guestPort\":7002}],\"limits\":{\"memoryMax\":\"4096M\"},"
                "\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"shares\":[{\"tag\":\"t\",\"path\":\"/s\"}],"
                "\"certs\":{\"c\":{\"path\":\"/c\"}},\"restart\":{\"policy\":\"always\"}}";
        _cleanup_json_ json_object *given = given_of(text),
                                   *shown = spec_given_show(given, NULL, NULL);

        assert_string_equal(json_text(given), text);
        assert_string_equal(json_text(shown), text);
}

static void test_given_hides(void **state)
{
        _cleanup_json_ json_object *given = given_of(full), *shown, *paths, *digests, *again;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        assert_null(strstr(json_text(given), "s3cret"));
        assert_null(strstr(json_text(given), "czNj"));
        assert_null(strstr(json_text(given), "x y"));
        paths = json_build("shares[1]", json_object_new_string("/found"), NULL);
        digests = json_build("firmware", json_object_new_string("d1"), "kernel",
                             json_object_new_string("d2"), NULL);
        shown = spec_given_show(given, paths, digests);
        assert_null(json_member(shown, "env"));
        assert_json(json_member(shown, "missing"),
                    "[\"firmware.path\",\"env.Z\",\"env.A_1\",\"certs.key.pem\","
                    "\"certs.ca.pem\",\"certs.x\"]");
        assert_json(json_member(shown, "certs"),
                    "{\"key.pem\":{},\"ca.pem\":{},\"cert.pem\":{\"path\":\"/etc/c\"},\"x\":{}}");
        assert_json(json_member(shown, "firmware"), "{\"sha256\":\"d1\"}");
        assert_json(json_member(shown, "kernel"), "{\"path\":\"/a, b=c\",\"sha256\":\"" SHA "\"}");
        assert_json(json_member(shown, "shares"),
                    "[{\"tag\":\"data\",\"path\":\"/srv\"},"
                    "{\"tag\":\"w\",\"readOnly\":false,\"path\":\"/found\"}]");
        assert_int_equal(spec_parse(shown, &spec, &error), -EINVAL); /* what is missing */
        assert_int_equal(error.faults, 7); /* each once, and the digest that is none */
        again = spec_given_again(given, paths);
        assert_json(json_member(again, "shares"), json_text(json_member(shown, "shares")));
        assert_json(json_member(again, "firmware"), "{\"fd\":0}");
        cvm_error_done(&error);
        assert_int_equal(spec_parse(again, &spec, &error), 0);
}

/* With a descriptor, path is a note: shown, but not opened. */
static void test_given_notes(void **state)
{
        static const char text[] = "{\"name\":\"a\",\"kernel\":{\"fd\":0,\"path\":\"/k\"},"
                                   "\"disks\":[{\"fd\":1,\"path\":\"/d\"}],"
                                   "\"shares\":[{\"tag\":\"t\",\"fd\":2,\"path\":\"/s\"}]}";
        _cleanup_(spec_freep) CvmSpec *spec = assert_accepted(text);
        _cleanup_json_ json_object *paths =
                json_build("kernel", json_object_new_string("/x"), "disks[0]",
                           json_object_new_string("/y"), NULL);
        _cleanup_json_ json_object *shown = spec_given_show(spec->given, paths, NULL),
                                   *again = spec_given_again(spec->given, paths);

        assert_null(spec->artifacts[ARTIFACT_KERNEL].path);
        assert_null(spec->disks[0].path);
        assert_null(spec->shares[0].path);
        assert_int_equal(spec->shares[0].fd, 2);
        assert_json(shown, "{\"name\":\"a\",\"kernel\":{\"path\":\"/k\"},"
                           "\"disks\":[{\"path\":\"/d\"}],"
                           "\"shares\":[{\"tag\":\"t\",\"path\":\"/s\"}]}");
        /* what is launched again is what the daemon found */
        assert_json(json_member(again, "kernel"), "{\"path\":\"/x\"}");
        assert_json(json_member(again, "disks"), "[{\"path\":\"/y\"}]");
}

/* What is kept has a bound, whatever a size looks like. */
static void test_given_sizes(void **state)
{
        char text[4096];
        _cleanup_json_ json_object *number = given_of("{\"name\":\"a\",\"memory\":1073741824,"
                                                      "\"limits\":{\"memoryHigh\":67108864}}");
        _cleanup_json_ json_object *zeros = NULL;

        assert_json(number,
                    "{\"name\":\"a\",\"memory\":\"1G\",\"limits\":{\"memoryHigh\":\"64M\"}}");
        snprintf(text, sizeof(text), "{\"name\":\"a\",\"memory\":\"%03000dM\"}", 64);
        zeros = given_of(text);
        assert_json(zeros, "{\"name\":\"a\",\"memory\":\"64M\"}");
        snprintf(text, sizeof(text),
                 "{\"name\":\"a\",\"missing\":[\"env.A\"],\"env\":{\"A\":\"\"}}");
        json_object_put(zeros);
        zeros = given_of(text);
        assert_null(json_member(zeros, "missing"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_given_as_it_was),
                cmocka_unit_test(test_given_hides),
                cmocka_unit_test(test_given_notes),
                cmocka_unit_test(test_given_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
