/* SPDX-License-Identifier: Apache-2.0 */
/* What each host of tests/host can run, with a QEMU that has all and with one that lacks things. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "directory.h"
#include "template/survey.h"
#include "template/template_internal.h"

static TemplateSet *set;
static QemuProbe *complete, *bare;

static int load(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        return template_set_load(NULL, &set, &error);
}

/* Adds to `sets` (member to set) what a list or, with `owner`, its lists name. */
static void add_names(json_object *into, json_object *names)
{
        size_t n = names ? json_object_array_length(names) : 0;

        for (size_t i = 0; i < n; i++)
                json_object_object_add(
                        into, json_object_get_string(json_object_array_get_idx(names, i)), NULL);
}

static void add_owned(json_object *into, json_object *owners)
{
        if (!owners)
                return;
        json_object_object_foreach (owners, owner, names) {
                json_object *inner = json_member(into, owner);

                if (!inner) {
                        inner = json_object_new_object();
                        json_object_object_add(into, owner, inner);
                }
                add_names(inner, names);
        }
}

/* A QEMU with all that the built-in templates need; or, bare, just what plain does. */
static QemuProbe *make_probe(bool is_bare)
{
        json_object *objects = json_object_new_object(), *devices = json_object_new_object(),
                    *cpus = json_object_new_object(), *machines = json_object_new_object();
        _cleanup_json_ json_object *object = json_build(
                "version", json_object_new_string("11.1.0"), "package", json_object_new_string(""),
                "objects", objects, "devices", devices, "cpus", cpus, "machines", machines, NULL);
        QemuProbe *probe = NULL;

        for (size_t i = 0; i < template_set_size(set); i++) {
                const Template *template = template_set_get(set, i);
                json_object *needs = template_requires_qemu(template);

                if (is_bare && template_is_confidential(template))
                        continue;
                add_names(objects, json_member(needs, "objects"));
                add_names(devices, json_member(needs, "devices"));
                add_names(cpus, json_member(needs, "cpus"));
                add_owned(objects, json_member(needs, "properties"));
                add_owned(machines, json_member(needs, "machines"));
        }
        assert_int_equal(qemu_probe_parse(object, &probe), 0);
        return probe;
}

static int setup(void **state)
{
        if (load(state) < 0)
                return -1;
        complete = make_probe(false);
        bare = make_probe(true);
        return 0;
}

static int teardown(void **state)
{
        complete = qemu_probe_unref(complete);
        bare = qemu_probe_unref(bare);
        set = template_set_free(set);
        return 0;
}

static void survey(const char *tree, const char *platform, const QemuProbe *probe,
                   HostCheckList *ret)
{
        _cleanup_free_ char *path = NULL, *root = NULL;
        _cleanup_(host_facts_freep) HostFacts *facts = NULL;
        SurveyHost host = {.root = ""};
        const SurveyQemu qemu = {"/usr/bin/qemu", probe, NULL};

        assert_true(asprintf(&path, "tests/host/%s", tree) > 0);
        root = source_path(path);
        assert_int_equal(host_probe(root, &facts), 0);
        host.facts = facts;
        host.root = root;
        assert_int_equal(template_survey(template_set_find(set, platform), &host, &qemu, ret), 0);
}

/* What `auto` takes by strength alone. */
static const char *strongest(const char *tree, const QemuProbe *probe)
{
        const Template *best = NULL;

        for (size_t i = 0; i < template_set_size(set); i++) {
                const Template *template = template_set_get(set, i);
                _cleanup_(host_check_list_done) HostCheckList list = {};

                survey(tree, template_name(template), probe, &list);
                if (!survey_obstacle(&list) &&
                    (!best || template_strength(template) > template_strength(best)))
                        best = template;
        }
        return best ? template_name(best) : "none";
}

static void test_auto(void **state)
{
        static const struct {
                const char *tree, *platform;
        } cases[] = {
                {"sev-snp", "sev-snp"},
                {"sev-snp-firmware", "sev-snp"},
                {"sev-snp-out-of-asids", "sev"},
                {"sev-snp-old-firmware", "sev-es"},
                {"sev-snp-off-in-firmware", "sev-es"},
                {"sev-snp-no-kvm-module", "plain"},
                {"sev-old-kernel", "plain"},
                {"tdx", "plain"}, /* no quote service */
                {"tdx-out-of-keyids", "plain"},
                {"tdx-off-in-firmware", "plain"},
                {"software-hypervisor", "plain"},
                {"firmware-off", "plain"},
                {"plain", "plain"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                if (strcmp(strongest(cases[i].tree, complete), cases[i].platform) != 0)
                        fail_msg("%s: %s", cases[i].tree, strongest(cases[i].tree, complete));
                assert_string_equal(strongest(cases[i].tree, bare), "plain");
        }
}

/* The one thing that a person is told first. */
static void test_obstacle(void **state)
{
        static const struct {
                const char *tree, *platform, *found, *fix;
        } cases[] = {
                {"sev-snp-out-of-asids", "sev-snp", "99 of 99", "stop an SEV-ES"},
                {"software-hypervisor", "sev-snp", "without SEV-SNP", "bare-metal"},
                {"sev-snp-off-in-firmware", "sev-snp-ovmf", "off in the firmware", "RMP Table"},
                {"sev-old-kernel", "sev-snp", "not have the parameter sev_snp", "Linux 6.11"},
                {"tdx", "tdx", "vsock port 4050", "tdx-qgs"},
                {"tdx-off-in-firmware", "tdx", "did not find TDX", "SEAM loader"},
                {"sev-snp-firmware", "sev-es", "at most 8M", "LimitMEMLOCK"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(host_check_list_done) HostCheckList list = {};
                const HostCheck *check;

                survey(cases[i].tree, cases[i].platform, complete, &list);
                check = survey_obstacle(&list);
                if (!check || !strstr(check->found, cases[i].found) ||
                    !strstr(check->fix, cases[i].fix))
                        fail_msg("%s %s: %s", cases[i].tree, cases[i].platform,
                                 check ? check->found : "none");
        }
}

static void test_qemu(void **state)
{
        _cleanup_(host_check_list_done) HostCheckList list = {}, none = {}, silent = {};
        _cleanup_(host_facts_freep) HostFacts *facts = NULL;
        _cleanup_free_ char *root = source_path("tests/host/sev-snp");
        const SurveyQemu no_qemu = {}, mute = {"/q", NULL, "it does not respond"};
        SurveyHost host = {.root = root};

        survey("sev-snp", "sev-snp", bare, &list);
        assert_string_equal(survey_obstacle(&list)->needed, "object sev-snp-guest");

        assert_int_equal(host_probe(root, &facts), 0);
        host.facts = facts;
        assert_int_equal(template_survey(template_set_find(set, "plain"), &host, &no_qemu, &none),
                         0);
        assert_non_null(strstr(survey_obstacle(&none)->fix, "qemu-system-x86"));
        assert_int_equal(template_survey(template_set_find(set, "plain"), &host, &mute, &silent),
                         0);
        assert_string_equal(survey_obstacle(&silent)->found,
                            "/q does not answer QMP: it does not respond");
}

/* Who may open a device: a group that is not root's, everybody, or this user. */
static void test_device(void **state)
{
        _cleanup_(directory_remove) char *root = directory_make();
        _cleanup_free_ char *path = NULL;
        static const struct {
                mode_t mode;
                gid_t group;
                bool passed;
        } cases[] = {
                {0600, 0, false},  {0660, 0, false}, {0660, 12, true},
                {0640, 12, false}, {0666, 0, true},  {0604, 0, false},
        };
        HostCheck check = {};

        assert_int_equal(host_check_device(root, "/sev", true, &check), -ENOENT);
        assert_null(check.name);
        if (geteuid() != 0)
                skip();
        assert_true(asprintf(&path, "%s/sev", root) > 0);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(host_check_done) HostCheck by_group = {}, own = {};

                assert_int_equal(chown(path, 0, cases[i].group), 0);
                assert_int_equal(chmod(path, cases[i].mode), 0);
                assert_int_equal(host_check_device(root, "/sev", true, &by_group), 0);
                assert_int_equal(by_group.passed, cases[i].passed);
                assert_true(by_group.passed || strstr(by_group.fix, "60-cvmd.rules"));
                assert_int_equal(host_check_device(root, "/sev", false, &own), 0);
                assert_true(own.passed); /* root's rights */
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_auto),
                cmocka_unit_test(test_obstacle),
                cmocka_unit_test(test_qemu),
                cmocka_unit_test(test_device),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
