/* SPDX-License-Identifier: Apache-2.0 */
/* launchSecurity: in specs, and in the platforms that take it or refuse it. */
#include "test.h"

#include "base/json.h"
#include "base/text.h"
#include "spec/spec.h"
#include "template/plan.h"

/* A value of n bytes in base64. */
static char *bytes(size_t n)
{
        _cleanup_free_ uint8_t *data = calloc(1, n + 1);

        for (size_t i = 0; i < n; i++)
                data[i] = (uint8_t)(0xa0 + i % 7);
        return text_base64(data, n);
}

/* {"name": "a", "platform": PLATFORM, "launchSecurity": {FIELD: VALUE, …}}, ended by NULL. */
static int parse(CvmSpec **ret, CvmError *error, const char *platform, ...)
{
        _cleanup_json_ json_object *object = NULL;
        json_object *security = json_object_new_object();
        const char *field;
        va_list ap;

        va_start(ap, platform);
        while ((field = va_arg(ap, const char *)))
                json_object_object_add(security, field,
                                       json_object_new_string(va_arg(ap, const char *)));
        va_end(ap);
        object = json_build("name", json_object_new_string("a"), "platform",
                            json_object_new_string(platform), "launchSecurity", security, NULL);
        return spec_parse(object, ret, error);
}

static void assert_error(CvmError *error, int r, const char *field, const char *reason)
{
        assert_int_equal(r, -EINVAL);
        assert_int_equal(error->id, CVM_ERROR_INVALID_SPEC);
        assert_string_equal(json_member_string(error->fields, "field"), field);
        if (!strstr(json_member_string(error->fields, "reason"), reason))
                fail_msg("%s: '%s'", field, json_member_string(error->fields, "reason"));
        cvm_error_done(error);
}

static void test_lengths(void **state)
{
        size_t n = 0;

        for (const SpecSecurityKey *key = spec_security_keys; key->name; key++) {
                _cleanup_free_ char *right = bytes(key->size), *less = NULL, *more = NULL;
                _cleanup_free_ char *field = NULL, *auth = bytes(4096), *block = bytes(96);
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_(spec_freep) CvmSpec *spec = NULL;
                CvmSpec *none = NULL;

                if (key->kind != SPEC_SECURITY_BYTES)
                        continue;
                n++;
                less = bytes(key->size - 1);
                more = bytes(key->size + 1);
                assert_true(asprintf(&field, "launchSecurity.%s", key->name) > 0);
                assert_error(&error, parse(&none, &error, "tdx", key->name, less, NULL), field,
                             "exactly");
                assert_error(&error, parse(&none, &error, "tdx", key->name, more, NULL), field,
                             "exactly");
                assert_error(&error, parse(&none, &error, "tdx", key->name, "%%%%", NULL), field,
                             "not base64");
                assert_error(&error, parse(&none, &error, "tdx", key->name, "", NULL), field,
                             "exactly");
                if (strcmp(key->name, "idAuth") == 0)
                        assert_int_equal(parse(&spec, &error, "tdx", "idBlock", block, "idAuth",
                                               right, NULL),
                                         0);
                else
                        assert_int_equal(parse(&spec, &error, "tdx", key->name, right,
                                               strcmp(key->name, "idBlock") == 0 ? "idAuth" : NULL,
                                               auth, NULL),
                                         0);
                assert_string_equal(spec_security_find(spec, key->name)->text, right);
        }
        assert_int_equal(n, 7);
}

static void test_numbers(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t number;
        } cases[] = {
                {"0", 0, 0},
                {"196608", 0, 0x30000},
                {"0x30000", 0, 0x30000},
                {"0xFfffffffffffffff", 0, UINT64_MAX},
                {"18446744073709551615", 0, UINT64_MAX},
                {"18446744073709551616", -ERANGE, 0},
                {"0x10000000000000000", -ERANGE, 0},
                {"0x", -EINVAL, 0},
                {"", -EINVAL, 0},
                {"-1", -EINVAL, 0},
                {"0x1g", -EINVAL, 0},
                {" 1", -EINVAL, 0},
                {"1 ", -EINVAL, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_(spec_freep) CvmSpec *spec = NULL;
                uint64_t number = 0;

                assert_int_equal(spec_security_parse_number(cases[i].text, &number), cases[i].r);
                assert_true(number == cases[i].number);
                if (cases[i].r < 0) {
                        assert_error(&error,
                                     parse(&spec, &error, "sev", "policy", cases[i].text, NULL),
                                     "launchSecurity.policy", "64 bits");
                        continue;
                }
                assert_int_equal(parse(&spec, &error, "sev", "policy", cases[i].text, NULL), 0);
                assert_true(spec_security_find(spec, "policy")->number == cases[i].number);
        }
}

static void test_refusals(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *block = bytes(96), *auth = bytes(4096);
        CvmSpec *spec = NULL;

        assert_error(&error, parse(&spec, &error, "sev", "idBlock", block, NULL),
                     "launchSecurity.idAuth", "go together");
        assert_error(&error, parse(&spec, &error, "sev", "idAuth", auth, NULL),
                     "launchSecurity.idBlock", "go together");
        assert_error(&error, parse(&spec, &error, "sev", "authorKeyEnabled", "true", NULL),
                     "launchSecurity.authorKeyEnabled", "requires idBlock");
        assert_error(&error, parse(&spec, &error, "sev", "vcekDisabled", "yes", NULL),
                     "launchSecurity.vcekDisabled", "true");
        assert_error(&error, parse(&spec, &error, "sev", "Policy", "1", NULL),
                     "launchSecurity.Policy", "unknown");
        assert_null(spec);
}

/* Renders on a host that says nothing of itself. 0: ret is the value after the argument `option`
 * that begins with `begin`. */
static int render(const CvmSpec *spec, const char *option, const char *begin, char **ret,
                  CvmError *error)
{
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_(host_facts_freep) HostFacts *host = NULL;
        PlanInputs inputs = {
                .spec = spec,
                .qemu = "/usr/bin/qemu",
                .id = "x",
                .cpus = 2,
                .memory = 2ull << 30,
                .cmdline = "quiet",
        };
        const Template *template;
        int r;

        assert_int_equal(template_set_load(NULL, &set, error), 0);
        assert_int_equal(host_probe("/nowhere", &host), 0);
        inputs.host = host;
        template = template_set_find(set, spec->platform);
        assert_non_null(template);
        r = template_render(set, template, &inputs, &plan, error);
        if (r < 0)
                return r;
        *ret = NULL;
        for (size_t i = 1; i + 1 < plan->argc && !*ret; i++)
                if (strcmp(plan->argv[i], option) == 0 &&
                    strncmp(plan->argv[i + 1], begin, strlen(begin)) == 0)
                        *ret = strdup(plan->argv[i + 1]);
        if (!*ret)
                fail_msg("no %s %s", option, begin);
        return 0;
}

static void test_render(void **state)
{
        _cleanup_free_ char *data = bytes(32), *block = bytes(96), *auth = bytes(4096),
                            *workarounds = bytes(16), *id = bytes(48), *text = NULL, *wanted = NULL;
        _cleanup_(spec_freep) CvmSpec *snp = NULL, *igvm = NULL, *tdx = NULL;
        _cleanup_free_ char *argument = NULL, *expected = NULL;
        _cleanup_free_ char *igvm_argument = NULL, *igvm_expected = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_int_equal(parse(&snp, &error, "sev-snp-ovmf", "policy", "229376", "hostData", data,
                               "idBlock", block, "idAuth", auth, "authorKeyEnabled", "true",
                               "vcekDisabled", "true", "guestVisibleWorkarounds", workarounds,
                               NULL),
                         0);
        assert_int_equal(render(snp, "-object", "sev-snp-guest", &argument, &error), 0);
        assert_true(asprintf(&expected,
                             "host-data=%s,id-block=%s,id-auth=%s,author-key-enabled=on,"
                             "vcek-disabled=on,guest-visible-workarounds=%s",
                             data, block, auth, workarounds) > 0);
        assert_non_null(strstr(argument, expected));
        assert_non_null(strstr(argument, "policy=0x38000,"));

        assert_int_equal(parse(&igvm, &error, "sev-snp", "policy", "229376", "hostData", data,
                               "vcekDisabled", "true", "guestVisibleWorkarounds", workarounds,
                               NULL),
                         0);
        assert_int_equal(render(igvm, "-object", "sev-snp-guest", &igvm_argument, &error), 0);
        assert_true(asprintf(&igvm_expected,
                             "policy=0x38000,host-data=%s,vcek-disabled=on,"
                             "guest-visible-workarounds=%s",
                             data, workarounds) > 0);
        assert_non_null(strstr(igvm_argument, igvm_expected));

        assert_int_equal(parse(&tdx, &error, "tdx", "mrConfigId", id, "mrOwner", id,
                               "mrOwnerConfig", id, "attributes", "0x8000000000000000", NULL),
                         0);
        assert_int_equal(render(tdx, "-object", "{\"qom-type\":\"tdx-guest", &text, &error), 0);
        assert_true(asprintf(&wanted,
                             "\"attributes\":9223372036854775808,\"mrconfigid\":\"%s\","
                             "\"mrowner\":\"%s\",\"mrownerconfig\":\"%s\"}",
                             id, id, id) > 0);
        assert_non_null(strstr(text, wanted));
}

/* QEMU crashes on it: it belongs into the IGVM file. */
static void test_id_block_beside_igvm(void **state)
{
        _cleanup_free_ char *block = bytes(96), *auth = bytes(4096), *text = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(spec_freep) CvmSpec *spec = NULL, *tdx = NULL;

        assert_int_equal(parse(&spec, &error, "sev-snp", "idBlock", block, "idAuth", auth,
                               "authorKeyEnabled", "true", NULL),
                         0);
        assert_error(&error, render(spec, "-object", "", &text, &error), "launchSecurity.idBlock",
                     "header 0x30b (SNP_ID_BLOCK)");
        /* there is none of it for TDX */
        assert_int_equal(parse(&tdx, &error, "tdx-svsm", "idBlock", block, "idAuth", auth, NULL),
                         0);
        assert_error(&error, render(tdx, "-object", "", &text, &error), "launchSecurity.idBlock",
                     "does not accept it");
}

/* What is not given is not in the command line, or is the platform's default. */
static void test_defaults(void **state)
{
        static const struct {
                const char *platform, *begin, *wanted;
        } cases[] = {
                {"sev-snp", "sev-snp-guest",
                 "sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1"},
                {"sev-snp-ovmf", "sev-snp-guest",
                 "sev-snp-guest,id=sev0,policy=0x30000,kernel-hashes=on,cbitpos=51,"
                 "reduced-phys-bits=1"},
                {"sev", "sev-guest",
                 "sev-guest,id=sev0,policy=0x1,kernel-hashes=on,cbitpos=51,reduced-phys-bits=1"},
                {"sev-es", "sev-guest",
                 "sev-guest,id=sev0,policy=0x5,kernel-hashes=on,cbitpos=51,reduced-phys-bits=1"},
                {"tdx", "{\"qom-type\":\"tdx-guest",
                 "{\"qom-type\":\"tdx-guest\",\"id\":\"tdx\",\"quote-generation-socket\":{\"type\":"
                 "\"vsock\",\"cid\":\"2\",\"port\":\"4050\"}}"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_(spec_freep) CvmSpec *spec = NULL;
                _cleanup_free_ char *text = NULL;

                assert_int_equal(parse(&spec, &error, cases[i].platform, NULL), 0);
                assert_int_equal(render(spec, "-object", cases[i].begin, &text, &error), 0);
                assert_string_equal(text, cases[i].wanted);
        }
}

static void test_platforms(void **state)
{
        _cleanup_free_ char *data = bytes(32), *id = bytes(48);
        const struct {
                const char *platform, *field, *value, *reason;
        } cases[] = {
                {"plain", "hostData", data, "does not accept launchSecurity"},
                {"tdx", "hostData", data, "it accepts mrConfigId, mrOwner"},
                {"sev", "hostData", data, "it accepts policy"},
                {"sev-snp", "mrConfigId", id, "does not accept it"},
                {"sev-snp", "policy", "0x10000", "bits 0x20000 set"},
                {"sev-es", "policy", "1", "bits 0x4 set"},
                {"sev", "policy", "0x100000000", "at most 32 bits"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_(spec_freep) CvmSpec *spec = NULL;
                _cleanup_free_ char *field = NULL, *text = NULL;

                assert_int_equal(parse(&spec, &error, cases[i].platform, cases[i].field,
                                       cases[i].value, NULL),
                                 0);
                assert_true(asprintf(&field, "launchSecurity.%s", cases[i].field) > 0);
                assert_error(&error, render(spec, "-object", "", &text, &error), field,
                             cases[i].reason);
        }
}

static void test_redacted(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        _cleanup_json_ json_object *object = NULL;

        assert_int_equal(parse(&spec, &error, "sev", "policy", "0x3", NULL), 0);
        object = spec_to_json_redacted(spec);
        assert_string_equal(json_text(json_member(object, "launchSecurity")),
                            "{\"policy\":\"0x3\"}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lengths),  cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_refusals), cmocka_unit_test(test_render),
                cmocka_unit_test(test_defaults), cmocka_unit_test(test_platforms),
                cmocka_unit_test(test_redacted), cmocka_unit_test(test_id_block_beside_igvm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
