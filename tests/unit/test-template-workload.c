/* SPDX-License-Identifier: Apache-2.0 */
/* bindWorkload: the manual's example, what the document holds and what it does not, and who has no
 * place for it. */
#include "test.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "plan-inputs.h"

static TemplateSet *set;

static char *read_source(const char *path)
{
        _cleanup_free_ char *full = source_path(path);
        char *text = NULL;

        assert_int_equal(file_read_at(AT_FDCWD, full, 1 << 20, &text, NULL), 0);
        return text;
}

static CvmSpec *parse(const char *text)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *object = NULL;
        CvmSpec *spec = NULL;

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        if (spec_parse(object, &spec, &error) < 0)
                fail_msg("%s", json_text(error.fields));
        return spec;
}

/* Renders the spec with 2 vCPUs, 2 GiB and these artifacts where it says nothing; the digests are
 * of kernel and initramfs "11…" and "22…", of firmware and IGVM "33…" and "44…". */
static int render(const CvmSpec *spec, const char *platform, LaunchPlan **ret, CvmError *error)
{
        const Template *template = template_set_find(set, platform);
        char digests[_ARTIFACT_KIND_MAX][65];
        Launch launch;

        assert_non_null(template);
        launch_minimal(&launch);
        launch_needs(&launch, template);
        launch.inputs.spec = spec;
        launch.inputs.cpus = spec->cpus ?: 2;
        launch.inputs.memory = spec->memory ?: 2ull << 30;
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                PlanArtifact *artifact = &launch.inputs.artifacts[kind];
                _cleanup_free_ char *pinned = text_hex(spec->artifacts[kind].sha256, SHA256_SIZE);

                memset(digests[kind], '1' + (int)kind, 64);
                digests[kind][64] = 0;
                if (spec->artifacts[kind].has_sha256)
                        memcpy(digests[kind], pinned, 64);
                artifact->present |= spec->artifacts[kind].given;
                if (artifact->present && !spec->artifacts[kind].name)
                        artifact->sha256 = digests[kind];
        }
        return template_render(set, template, &launch.inputs, ret, error);
}

static LaunchPlan *render_text(const char *text, const char *platform)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(spec_freep) CvmSpec *spec = parse(text);
        LaunchPlan *plan = NULL;

        if (render(spec, platform, &plan, &error) < 0)
                fail_msg("%s", json_text(error.fields));
        return plan;
}

static bool has_argument(const LaunchPlan *plan, const char *part)
{
        for (size_t i = 0; i < plan->argc; i++)
                if (strstr(plan->argv[i], part))
                        return true;
        return false;
}

static void test_manual(void **state)
{
        _cleanup_free_ char *text = read_source("examples/specs/bound.json");
        _cleanup_free_ char *manual = read_source("man/cvm-spec.5.scd");
        _cleanup_(launch_plan_freep) LaunchPlan *plan = render_text(text, "sev-snp-ovmf");
        _cleanup_free_ char *option = NULL;
        const char *p = plan->binding.document, *q;

        assert_string_equal(plan->binding.field, "hostData");
        assert_non_null(strstr(manual, plan->binding.hex));
        assert_true(asprintf(&option, "host-data=%s", plan->binding.base64) > 0);
        assert_non_null(strstr(manual, option));
        assert_true(has_argument(plan, option));
        /* the document in the manual is broken into lines */
        q = strstr(manual, "{\"artifacts\":");
        assert_non_null(q);
        for (; *p; q++)
                if (*q != '\n')
                        assert_int_equal(*p++, *q);
        assert_true(strncmp(q, "\n```", 4) == 0);
}

/* SHA-384, and every member at its default. The digest is Python's hashlib's. */
static void test_tdx(void **state)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan =
                render_text("{\"name\":\"web\",\"bindWorkload\":true}", "tdx");
        _cleanup_free_ char *option = NULL;

        assert_string_equal(plan->binding.field, "mrConfigId");
        assert_string_equal(
                plan->binding.document,
                "{\"artifacts\":{\"firmware\":\""
                "3333333333333333333333333333333333333333333333333333333333333333\","
                "\"initramfs\":\""
                "2222222222222222222222222222222222222222222222222222222222222222\","
                "\"kernel\":\""
                "1111111111111111111111111111111111111111111111111111111111111111\"},"
                "\"spec\":{\"certs\":[],\"cmdline\":\"console=null quiet\",\"cpus\":2,"
                "\"debug\":false,\"env\":[],\"launchSecurity\":{},\"memory\":\"2147483648\","
                "\"name\":\"web\",\"network\":\"user\",\"platform\":\"tdx\",\"shares\":[],"
                "\"vsock\":true},\"version\":1}");
        assert_string_equal(plan->binding.hex, "757dcb79f3647f1a1ab2c786e94f1bd27f2e8be4cdda7a760a0"
                                               "0854b1f0b5217352b1690bdb52061160fa31633af3d91");
        assert_true(asprintf(&option, "\"mrconfigid\":\"%s\"", plan->binding.base64) > 0);
        assert_true(has_argument(plan, option));
}

#define BOUND "{\"name\":\"web\",\"bindWorkload\":true"

/* Whether two specs are bound to the same. */
static bool same(const char *platform, const char *a, const char *b)
{
        _cleanup_(launch_plan_freep) LaunchPlan *x = render_text(a, platform);
        _cleanup_(launch_plan_freep) LaunchPlan *y = render_text(b, platform);

        return strcmp(x->binding.hex, y->binding.hex) == 0;
}

static void test_what_is_bound(void **state)
{
        static const char *const different[] = {
                BOUND ",\"cpus\":3}",
                BOUND ",\"memory\":\"3G\"}",
                BOUND ",\"debug\":true}",
                BOUND ",\"env\":{\"A\":\"\"}}",
                BOUND ",\"certs\":{\"a.pem\":{\"text\":\"x\"}}}",
                BOUND ",\"shares\":[{\"tag\":\"a\",\"path\":\"/a\"}]}",
                BOUND ",\"shares\":[{\"tag\":\"a\",\"path\":\"/a\",\"readOnly\":false}]}",
                BOUND ",\"disks\":[{\"path\":\"/a\"}]}",
                BOUND ",\"disks\":[{\"path\":\"/a\",\"readOnly\":false}]}",
                BOUND ",\"disks\":[{\"path\":\"/a\",\"format\":\"qcow2\"}]}",
                BOUND ",\"disks\":[{\"path\":\"/a\",\"bus\":\"virtio\"}]}",
                BOUND ",\"disks\":[{\"path\":\"/a\",\"id\":\"x\"}]}",
                BOUND ",\"network\":\"none\"}",
                BOUND ",\"network\":\"tap:t0\"}",
                BOUND ",\"launchSecurity\":{\"policy\":\"0x30000\"}}",
                BOUND ",\"launchSecurity\":{\"policy\":\"0x20000\"}}",
                BOUND ",\"launchSecurity\":{\"vcekDisabled\":\"true\"}}",
                BOUND ",\"kernel\":{\"path\":\"/k\",\"sha256\":\""
                      "9999999999999999999999999999999999999999999999999999999999999999\"}}",
                "{\"name\":\"wed\",\"bindWorkload\":true}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(different); i++) {
                assert_false(same("sev-snp", BOUND "}", different[i]));
                for (size_t j = 0; j < i; j++)
                        assert_false(same("sev-snp", different[i], different[j]));
        }
}

static void test_what_is_not(void **state)
{
        static const char *const equal[][2] = {
                {BOUND "}", BOUND ",\"timeouts\":{\"startSec\":1},\"driver\":\"qemu\","
                                  "\"forwards\":[{\"guestPort\":1}],\"cpus\":2}"},
                {BOUND "}", BOUND ",\"kernel\":{\"path\":\"/elsewhere\"}}"},
                {BOUND ",\"env\":{\"A\":\"secret\",\"B\":\"\"}}",
                 BOUND ",\"env\":{\"B\":\"other\",\"A\":\"x\"}}"},
                {BOUND ",\"certs\":{\"k\":{\"text\":\"secret\"}}}",
                 BOUND ",\"certs\":{\"k\":{\"path\":\"/k\"}}}"},
                {BOUND ",\"shares\":[{\"tag\":\"a\",\"path\":\"/a\"}]}",
                 BOUND ",\"shares\":[{\"tag\":\"a\",\"path\":\"/b\",\"readOnly\":true}]}"},
                {BOUND ",\"disks\":[{\"path\":\"/a\"}]}",
                 BOUND ",\"disks\":[{\"fd\":3,\"id\":\"disk0\",\"format\":\"raw\"}]}"},
                {BOUND ",\"network\":\"tap:t0\"}", BOUND ",\"network\":\"tap:t1\"}"},
                {BOUND ",\"launchSecurity\":{\"policy\":\"0x00030000\"}}",
                 BOUND ",\"launchSecurity\":{\"policy\":\"196608\"}}"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(equal); i++)
                if (!same("sev-snp", equal[i][0], equal[i][1]))
                        fail_msg("%s and %s", equal[i][0], equal[i][1]);
}

static void test_refusals(void **state)
{
        static const struct {
                const char *platform, *spec, *field, *reason;
        } cases[] = {
                {"plain", BOUND "}", "bindWorkload", "plain has no attestation field"},
                {"sev", BOUND "}", "bindWorkload", "sev has no attestation field"},
                {"sev-es", BOUND "}", "bindWorkload", "sev-es has no attestation field"},
                {"sev-snp",
                 BOUND ",\"launchSecurity\":{\"hostData\":\""
                       "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=\"}}",
                 "launchSecurity.hostData", "bindWorkload sets this field"},
                {"tdx",
                 BOUND ",\"launchSecurity\":{\"mrConfigId\":\""
                       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}",
                 "launchSecurity.mrConfigId", "bindWorkload sets this field"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_(spec_freep) CvmSpec *spec = parse(cases[i].spec);
                LaunchPlan *plan = NULL;

                assert_int_equal(render(spec, cases[i].platform, &plan, &error), -EINVAL);
                assert_string_equal(json_member_string(error.fields, "field"), cases[i].field);
                assert_non_null(
                        strstr(json_member_string(error.fields, "reason"), cases[i].reason));
        }
}

/* Nothing is bound to a file that could not be read; the plan says so. */
static void test_unknown_digest(void **state)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan =
                render_text(BOUND ",\"kernel\":{\"name\":\"kernel\"}}", "sev-snp");
        bool said = false;

        assert_null(plan->binding.field);
        assert_false(has_argument(plan, "host-data"));
        for (size_t i = 0; i < plan->missing.n; i++)
                said |= strcmp(plan->missing.items[i].name, "bindWorkload") == 0;
        assert_true(said);
}

static int load(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        return template_set_load(NULL, &set, &error);
}

static int unload(void **state)
{
        set = template_set_free(set);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_manual),        cmocka_unit_test(test_tdx),
                cmocka_unit_test(test_what_is_bound), cmocka_unit_test(test_what_is_not),
                cmocka_unit_test(test_refusals),      cmocka_unit_test(test_unknown_digest),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
