/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets are cleared before their memory is freed. The program's own explicit_bzero() stands
 * before libc's (also under the name that _FORTIFY_SOURCE gives it) and notes what was cleared.
 */
#include "test.h"

#include "base/json.h"
#include "spec/spec.h"

static char cleared[4096]; /* all bytes that were cleared, one after the other */
static size_t n_cleared;

void __explicit_bzero_chk(void *data, size_t size, size_t known);

static void note(void *data, size_t size)
{
        assert_true(n_cleared + size < sizeof(cleared));
        if (size)
                memcpy(cleared + n_cleared, data, size);
        n_cleared += size;
        memset(data, 0, size);
}

#undef explicit_bzero
void explicit_bzero(void *data, size_t size)
{
        note(data, size);
}

void __explicit_bzero_chk(void *data, size_t size, size_t known)
{
        note(data, size);
}

static void assert_cleared(const char *secret)
{
        if (!memmem(cleared, n_cleared, secret, strlen(secret)))
                fail_msg("'%s' was not cleared", secret);
}

static int parse(const char *text, CvmSpec **ret, CvmError *error)
{
        _cleanup_json_ json_object *object = NULL;

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        n_cleared = 0;
        return spec_parse(object, ret, error);
}

static void test_cleared(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        CvmSpec *spec = NULL;

        assert_int_equal(parse("{\"name\":\"a\",\"env\":{\"A\":\"env-secret\"},\"certs\":{"
                               "\"k\":{\"text\":\"text-secret\"},"
                               "\"l\":{\"base64\":\"YmFzZTY0LXNlY3JldA==\"}}}",
                               &spec, &error),
                         0);
        assert_cleared("YmFzZTY0LXNlY3JldA=="); /* the encoded form is not kept */
        assert_null(spec_free(spec));
        assert_cleared("env-secret");
        assert_cleared("text-secret");
        assert_cleared("base64-secret");
}

static void test_refused(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        CvmSpec *spec = NULL;

        assert_int_equal(parse("{\"name\":\"a\",\"env\":{\"A\":\"env-secret\"},\"certs\":{"
                               "\"k\":{\"text\":\"text-secret\",\"path\":\"/a\"}}}",
                               &spec, &error),
                         -EINVAL);
        assert_cleared("env-secret");
        assert_cleared("text-secret");
        cvm_error_done(&error);

        assert_int_equal(parse("{\"name\":\"a\",\"certs\":{\"k\":{\"base64\":\"c2VjcmV0\\n\"}}}",
                               &spec, &error),
                         -EINVAL);
        assert_cleared("c2VjcmV0");
        cvm_error_done(&error);

        assert_int_equal(
                parse("{\"name\":\"a\",\"certs\":{\"k\":{\"text\":\"s3cret\"}},\"vsock\":1}", &spec,
                      &error),
                -EINVAL);
}

/* A refusal names the field, never the value. */
static void test_not_in_errors(void **state)
{
        static const char *const texts[] = {
                "{\"name\":\"a\",\"env\":{\"A\":\"s3cret\\n\"}}",
                "{\"name\":\"a\",\"env\":{\"A\":\"s3cret\\u0001\"}}",
                "{\"name\":\"a\",\"certs\":{\"k\":{\"base64\":\"s3cret\"}}}",
                "{\"name\":\"a\",\"certs\":{\"k\":{\"text\":\"s3cret\",\"fd\":0}}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                CvmSpec *spec = NULL;

                assert_int_equal(parse(texts[i], &spec, &error), -EINVAL);
                assert_null(strstr(json_text(error.fields), "s3cret"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cleared),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_not_in_errors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
