/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: descriptors, what is missing, what a platform refuses, bounds, a platform without C. */
#include "test.h"

#include "base/text.h"
#include "plan-inputs.h"
#include "template/template_internal.h"

#define HEAD "{\"name\": \"t\", \"description\": \"d\", \"qemu\": \"q\", "

static TemplateSet *load(const char *file, const char *text)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        TemplateSet *set = template_set_new();

        if (template_set_add_builtin(set, &error) < 0 ||
            template_set_add_file(set, file, "/etc/t.json", text, strlen(text), &error) < 0 ||
            template_set_check(set, &error) < 0) {
                _cleanup_free_ char *message = cvm_error_message(&error);

                fail_msg("%s", message);
        }
        return set;
}

static int render(const TemplateSet *set, const char *name, const Launch *launch, LaunchPlan **ret,
                  CvmError *error)
{
        const Template *template = template_set_find(set, name);

        assert_non_null(template);
        return template_render(set, template, &launch->inputs, ret, error);
}

/* The arguments but the first, joined by '|'. */
static char *joined(const LaunchPlan *plan)
{
        Buffer text = {};

        for (size_t i = 1; i < plan->argc; i++)
                assert_int_equal(buffer_appendf(&text, "%s%s", i > 1 ? "|" : "", plan->argv[i]), 0);
        assert_null(plan->argv[plan->argc]);
        return buffer_take(&text);
}

static void assert_renders(const char *arguments, const Launch *launch, const char *expected)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_free_ char *text = NULL, *line = NULL;

        assert_true(asprintf(&text, HEAD "\"arguments\": [%s]}", arguments) > 0);
        set = load("t.json", text);
        assert_int_equal(render(set, "t", launch, &plan, &error), 0);
        line = joined(plan);
        assert_string_equal(line, expected);
}

static void test_language(void **state)
{
        Launch full, minimal;

        launch_full(&full);
        launch_without_devices(&full);
        launch_minimal(&minimal);
        assert_renders("", &full, "");
        /* a text alone keeps its type, in another text it is joined */
        assert_renders(
                "{\"object\": {\"qom-type\": \"t\", \"n\": \"${vm.cpus}\", \"x\": "
                "\"a${vm.cpus}b${vm.name}\", \"s\": {\"d\": \"${vm.debug}\"}}}",
                &full,
                "-object|{\"qom-type\":\"t\",\"n\":48,\"x\":\"a48bweb\",\"s\":{\"d\":true}}");
        assert_renders("{\"append\": \"$${vm.name} $ $$ $x ${vm.name}$\"}", &full,
                       "-append|${vm.name} $ $$ $x web$");
        assert_renders("{\"append\": \"$$${vm.name}\"}", &full, "-append|$${vm.name}");
        /* conditions */
        assert_renders("{\"when\": \"vm.kvm\", \"do\": [{\"a\": 1}], \"else\": [{\"b\": 1}]}",
                       &full, "-a|1");
        assert_renders("{\"when\": \"vm.kvm\", \"do\": [{\"a\": 1}], \"else\": [{\"b\": 1}]}",
                       &minimal, "-b|1");
        assert_renders("{\"when\": {\"not\": \"vm.kvm\"}, \"do\": [{\"a\": 1}]}", &full, "");
        assert_renders("{\"when\": {\"all\": [\"vm.kvm\", \"shares\", \"vm.cpus\", \"vm.name\"]}, "
                       "\"do\": [{\"a\": 1}]}",
                       &full, "-a|1");
        assert_renders("{\"when\": {\"any\": [\"shares\", \"vsock.cid\", \"vm.debug\"]}, \"do\": "
                       "[{\"a\": 1}]}",
                       &minimal, "");
        assert_renders("{\"when\": {\"equals\": [\"${vm.name}\", \"web\"]}, \"do\": [{\"a\": 1}]}, "
                       "{\"when\": {\"equals\": [\"${vm.cpus}\", \"48\"]}, \"do\": [{\"b\": 1}]}, "
                       "{\"when\": {\"equals\": [\"${vm.cpus}\", 48]}, \"do\": [{\"c\": 1}]}",
                       &full, "-a|1|-c|1");
        assert_renders("{\"m\": {\"a\": {\"when\": \"vm.kvm\", \"value\": 1, \"else\": 2}, \"b\": "
                       "{\"when\": \"vm.kvm\", \"value\": 3}}}",
                       &minimal, "-m|a=2");
        /* lists */
        assert_renders("{\"each\": \"shares\", \"as\": \"s\", \"do\": [{\"f\": \"${s.tag}\"}, "
                       "{\"when\": \"s.readOnly\", \"do\": [{\"r\": null}]}]}",
                       &full, "-f|data|-r|-f|work");
        assert_renders("{\"each\": \"shares\", \"as\": \"s\", \"do\": [{\"f\": \"${s.tag}\"}]}",
                       &minimal, "");
        /* an inner name hides an outer one, and the variables */
        assert_renders(
                "{\"each\": \"shares\", \"as\": \"vm\", \"do\": [{\"each\": \"net.forwards\","
                " \"as\": \"vm\", \"do\": [{\"f\": \"${vm.guestPort}\"}]}]}",
                &full, "-f|7002|-f|443|-f|53|-f|7002|-f|443|-f|53");
        assert_renders("{\"include\": \"netdev\", \"with\": {\"id\": \"n,${vm.name}\"}}", &minimal,
                       "-netdev|user,id=n,,web,hostfwd=tcp:127.0.0.1:6100-:7002");
}

/* What a spec says never gets out of its place. */
static void test_values_stay_values(void **state)
{
        Launch launch;

        launch_full(&launch);
        launch_without_devices(&launch);
        launch.spec.name = (char *)"a,process=sh=b";
        launch.inputs.cmdline = "x,y -device z ${vm.id} $${a}";
        launch.shares[0].tag = (char *)"t,security_model=passthrough";
        assert_renders("{\"name\": {\"guest\": \"${vm.name}\"}}", &launch,
                       "-name|guest=a,,process=sh=b");
        assert_renders("{\"name\": \"${vm.name}\"}", &launch, "-name|guest=a,,process=sh=b");
        assert_renders("{\"append\": \"${vm.cmdline}\"}", &launch,
                       "-append|x,y -device z ${vm.id} $${a}");
        launch.spec.n_shares = 1;
        assert_renders("{\"each\": \"shares\", \"as\": \"s\", \"do\": [{\"device\": {\"driver\": "
                       "\"d\", \"mount_tag\": \"${s.tag}\"}}]}",
                       &launch, "-device|d,mount_tag=t,,security_model=passthrough");
}

static void test_descriptors(void **state)
{
        static const char text[] =
                HEAD "\"devices\": [\"/dev/a\", {\"when\": \"vm.kvm\", \"value\": \"/dev/kvm\"}, "
                     "\"/dev/a\"], \"arguments\": [{\"when\": \"artifacts.igvm\", \"do\": "
                     "[{\"x\": \"${fd.igvm}\"}]}, {\"a\": \"${fd.qmp}\"}, {\"b\": "
                     "\"f${fd.kernel}\"}, {\"c\": \"${fd.qmp}\"}, {\"each\": \"shares\", \"as\": "
                     "\"s\", \"do\": [{\"s\": \"${s.fd}\"}]}]}";
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = load("t.json", text);
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_free_ char *line = NULL;
        _cleanup_json_ json_object *object = NULL;
        Launch launch;

        launch_full(&launch);
        launch_without_devices(&launch);
        launch.inputs.artifacts[ARTIFACT_KERNEL] = (PlanArtifact){true, "/boot/k", "abcd"};
        assert_int_equal(render(set, "t", &launch, &plan, &error), 0);
        line = joined(plan);
        assert_string_equal(line, "-a|3|-b|f4|-c|3|-s|5|-s|6");
        assert_int_equal(plan->n_descriptors, 4);
        assert_int_equal(launch_plan_fd(plan, "qmp"), 3);
        assert_int_equal(launch_plan_fd(plan, "share:work"), 6);
        assert_int_equal(launch_plan_fd(plan, "igvm"), -1);
        assert_string_equal(plan->devices[0], "/dev/a");
        assert_string_equal(plan->devices[1], "/dev/kvm");
        assert_null(plan->devices[2]);
        object = launch_plan_to_json(plan, &launch.inputs);
        assert_string_equal(json_text(json_member(object, "descriptors")),
                            "[{\"number\":3,\"what\":\"qmp\"},"
                            "{\"number\":4,\"what\":\"kernel\",\"path\":\"/boot/k\",\"sha256\":"
                            "\"abcd\"},"
                            "{\"number\":5,\"what\":\"share:data\",\"path\":\"/srv/a,b=c d\"},"
                            "{\"number\":6,\"what\":\"share:work\",\"path\":\"/srv/work\"}]");
        assert_string_equal(
                json_object_get_string(json_object_array_get_idx(json_member(object, "argv"), 0)),
                "/usr/bin/qemu-system-x86_64");
}

/* Names of the failed checks, joined by a space. */
static char *missing(const TemplateSet *set, const char *name, const Launch *launch)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        Buffer names = {};

        assert_int_equal(render(set, name, launch, &plan, &error), 0);
        for (size_t i = 0; i < plan->missing.n; i++) {
                const HostCheck *check = &plan->missing.items[i];

                assert_false(check->passed);
                assert_true(*check->found && *check->needed && check->fix && *check->fix);
                assert_int_equal(buffer_appendf(&names, "%s%s", i ? " " : "", check->name), 0);
        }
        return buffer_take(&names);
}

static void test_missing(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        const struct {
                const char *platform;
                void (*change)(Launch *launch);
                const char *names;
        } cases[] = {
                {"plain", NULL, ""},
                {"sev-snp", NULL, "sev-snp igvm"},
                {"tdx", NULL, "tdx firmware"},
        };

        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *names = NULL;
                Launch launch;

                launch_minimal(&launch);
                names = missing(set, cases[i].platform, &launch);
                assert_string_equal(names, cases[i].names);
        }
        {
                _cleanup_free_ char *names = NULL, *again = NULL;
                Launch launch;

                launch_minimal(&launch);
                launch.host = (HostFacts){.cpu_vendor = (char *)"GenuineIntel",
                                          .kvm_found = (char *)"no /dev/kvm",
                                          .kvm_fix = (char *)"load it"};
                launch.inputs.artifacts[ARTIFACT_KERNEL].present = false;
                launch.inputs.kvm = true;
                launch_vsock(&launch, 3, 0);
                names = missing(set, "plain", &launch);
                assert_string_equal(names, "kvm vhost-vsock kernel");
                again = missing(set, "sev-snp", &launch);
                assert_string_equal(again, "sev-snp kvm vhost-vsock cbitpos kernel igvm");
        }
}

static void test_unknown_cbitpos(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        const uint32_t bits[] = {0, 47};
        const char *const shown[] = {"cbitpos=51", "cbitpos=47"};

        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
                _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
                _cleanup_free_ char *line = NULL;
                Launch launch;

                launch_minimal(&launch);
                launch.host.cbitpos = bits[i];
                assert_int_equal(render(set, "sev-snp", &launch, &plan, &error), 0);
                line = joined(plan);
                assert_non_null(strstr(line, shown[i]));
        }
}

static void test_artifacts_that_it_does_not_take(void **state)
{
        static const struct {
                const char *platform;
                SpecArtifactKind kind;
        } cases[] = {
                {"plain", ARTIFACT_IGVM},
                {"sev-snp", ARTIFACT_FIRMWARE},
                {"tdx", ARTIFACT_IGVM},
        };
        _cleanup_(cvm_error_done) CvmError none = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;

        assert_int_equal(template_set_load(NULL, &set, &none), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                LaunchPlan *plan = NULL;
                Launch launch;

                launch_minimal(&launch);
                launch.spec.artifacts[cases[i].kind].given = true;
                assert_int_equal(render(set, cases[i].platform, &launch, &plan, &error), -EINVAL);
                assert_int_equal(error.id, CVM_ERROR_INVALID_SPEC);
                assert_string_equal(json_member_string(error.fields, "field"),
                                    spec_artifact_kind_name(cases[i].kind));
                assert_null(plan);
        }
}

static void test_networks(void **state)
{
        static const struct {
                SpecNetwork network;
                const char *has, *lacks;
        } cases[] = {
                {SPEC_NETWORK_USER, "-netdev|user,id=vmnic", "restrict"},
                {SPEC_NETWORK_ISOLATED, "-netdev|user,id=vmnic,restrict=on", "tap"},
                {SPEC_NETWORK_NONE, "-nodefaults", "netdev"},
                {SPEC_NETWORK_PASST, "-netdev|stream,id=vmnic,server=off,addr.type=fd,addr.str=3",
                 "hostfwd"},
                {SPEC_NETWORK_TAP, "-netdev|tap,id=vmnic,fd=3|-device|virtio-net-pci", "hostfwd"},
                {SPEC_NETWORK_BRIDGE, "-netdev|tap,id=vmnic,fd=3|-device|virtio-net-pci", "br,0"},
        };
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;

        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
                _cleanup_free_ char *line = NULL;
                Launch launch;

                launch_minimal(&launch);
                launch.spec.network = cases[i].network;
                launch.spec.interface = (char *)"br,0";
                assert_int_equal(render(set, "plain", &launch, &plan, &error), 0);
                line = joined(plan);
                if (!strstr(line, cases[i].has) || strstr(line, cases[i].lacks))
                        fail_msg("%s", line);
                assert_int_equal(launch_plan_fd(plan, "tap"),
                                 cases[i].network >= SPEC_NETWORK_BRIDGE ? 3 : -1);
        }
}

static void test_vhost(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;

        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        for (int there = 0; there < 2; there++)
                for (SpecNetwork network = SPEC_NETWORK_USER; network <= SPEC_NETWORK_TAP;
                     network++) {
                        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
                        _cleanup_free_ char *line = NULL;
                        HostFacts host = {.has_vhost_net = there};
                        bool wanted = there && network >= SPEC_NETWORK_BRIDGE;
                        Launch launch;

                        launch_minimal(&launch);
                        launch.inputs.host = &host;
                        launch.spec.network = network;
                        launch.spec.interface = (char *)"br0";
                        assert_int_equal(render(set, "plain", &launch, &plan, &error), 0);
                        line = joined(plan);
                        assert_int_equal(!!strstr(line, "fd=3,vhost=on,vhostfd=4"), wanted);
                        assert_int_equal(launch_plan_fd(plan, "vhost-net"), wanted ? 4 : -1);
                }
}

/* More vCPUs than the machine has with this QEMU, or by emulation at all. */
static void test_cpus_max(void **state)
{
        static const char known[] =
                "{\"version\": \"7.2.0\", \"package\": \"\", \"objects\": {}, \"devices\": {},"
                " \"cpus\": {}, \"machines\": {}, \"cpusMax\": {\"q35\": 288}}";
        static const struct {
                uint32_t cpus;
                bool kvm, asked, passes;
        } cases[] = {
                {288, true, true, true},    {289, true, true, false},  {289, true, false, true},
                {255, false, true, true},   {256, false, true, false}, {255, false, false, true},
                {256, false, false, false},
        };
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = NULL;
        _cleanup_json_ json_object *object = NULL;

        assert_int_equal(json_parse(known, strlen(known), &object, NULL), 0);
        assert_int_equal(qemu_probe_parse(object, &probe), 0);
        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const Template *template = template_set_find(set, "plain");
                _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
                HostCheckList missing = {};
                Launch launch;

                launch_minimal(&launch);
                launch.inputs.kvm = cases[i].kvm;
                launch.inputs.cpus = cases[i].cpus;
                assert_int_equal(render(set, "plain", &launch, &plan, &error), 0);
                assert_int_equal(plan_check_machine(plan, template, &launch.inputs,
                                                    cases[i].asked ? probe : NULL, &missing),
                                 0);
                assert_int_equal(missing.n, cases[i].passes ? 0 : 1);
                if (missing.n)
                        assert_string_equal(missing.items[0].name, "cpus");
                host_check_list_done(&missing);
        }
}

/* The program that is run for it, and a template that has no place for what it is asked for. */
static void test_passt(void **state)
{
        static const char bare[] =
                "{\"name\": \"bare\", \"description\": \"No network\", \"qemu\": \"qemu\","
                " \"artifacts\": {\"kernel\": {\"needed\": true}},"
                " \"arguments\": [{\"include\": \"boot\"}, {\"include\": \"monitor\"}]}";
        static SpecForward forwards[] = {
                {(char *)"127.0.0.1", 6100, 7002, SPEC_TCP},
                {(char *)"0.0.0.0", 6101, 80, SPEC_TCP},
                {(char *)"127.0.0.1", 6102, 53, SPEC_UDP},
        };
        static const char *const expected[] = {
                "--foreground|--fd|3|--no-map-gw|--udp-ports|none",
                "--foreground|--fd|3|--no-map-gw|--tcp-ports|127.0.0.1/6100:7002|"
                "--udp-ports|none",
                "--foreground|--fd|3|--no-map-gw|--tcp-ports|127.0.0.1/6100:7002|"
                "--tcp-ports|0.0.0.0/6101:80|--udp-ports|none",
                "--foreground|--fd|3|--no-map-gw|--tcp-ports|127.0.0.1/6100:7002|"
                "--tcp-ports|0.0.0.0/6101:80|--udp-ports|127.0.0.1/6102:53",
        };
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = load("bare.json", bare);
        LaunchPlan *plan = NULL;
        Launch launch;

        launch_minimal(&launch);
        launch.spec.network = SPEC_NETWORK_PASST;
        for (size_t n = 0; n < ARRAY_SIZE(expected); n++) {
                _cleanup_free_ char *line = NULL;

                launch.inputs.forwards = forwards;
                launch.inputs.n_forwards = n;
                assert_int_equal(render(set, "plain", &launch, &plan, &error), 0);
                assert_int_equal(plan->n_companions, 1);
                assert_true(plan->companions[0].meeting == PLAN_MEETING_PAIR);
                line = joined(plan->companions[0].command);
                assert_string_equal(line, expected[n]);
                plan = launch_plan_free(plan);
        }
        for (SpecNetwork network = SPEC_NETWORK_ISOLATED; network <= SPEC_NETWORK_TAP; network++) {
                launch.spec.network = network;
                launch.spec.interface = (char *)"br0";
                assert_int_equal(render(set, "bare", &launch, &plan, &error), -EINVAL);
                assert_string_equal(json_member_string(error.fields, "field"), "network");
                cvm_error_done(&error);
        }
}

/* n times `item`, joined by commas. */
static char *repeated(const char *item, size_t n)
{
        Buffer text = {};

        for (size_t i = 0; i < n; i++)
                assert_int_equal(buffer_appendf(&text, "%s%s", i ? "," : "", item), 0);
        return buffer_take(&text);
}

static char *nested_each(unsigned depth)
{
        _cleanup_(buffer_done) Buffer text = {};

        for (unsigned i = 0; i < depth; i++)
                assert_int_equal(buffer_appendf(&text,
                                                "{\"each\": \"net.forwards\", \"as\": "
                                                "\"f\", \"do\": [%s",
                                                i + 1 == depth ? "{\"a\": null}" : ""),
                                 0);
        for (unsigned i = 0; i < depth; i++)
                assert_int_equal(buffer_append_text(&text, "]}"), 0);
        return buffer_take(&text);
}

/* Each is harmless for the launch of one that it is checked with, and too much for this one. */
static void test_bounds(void **state)
{
        _cleanup_free_ char *thousand = repeated("{\"each\": \"shares\", \"as\": \"s\", \"do\": "
                                                 "[{\"a\": null}]}",
                                                 600);
        _cleanup_free_ char *nested = nested_each(10), *deep = nested_each(13);
        _cleanup_free_ char *line = repeated("${vm.cmdline}", 200), *lines = NULL;
        _cleanup_free_ char *long_one = NULL, *many_long = NULL, *long_text = NULL;
        _cleanup_free_ char *filler = malloc(4096);
        struct {
                const char *arguments, *reason;
        } cases[] = {
                {thousand, "more than 1024 arguments"},
                {nested, "more than 1024 arguments"},
                {NULL, "an argument of"},
                {NULL, "longer than"},
                {NULL, "steps"},
        };
        Launch launch;

        memset(filler, 'x', 2000);
        filler[2000] = 0;
        launch_full(&launch);
        launch_without_devices(&launch);
        launch.inputs.cmdline = filler;
        assert_true(asprintf(&long_text, "{\"append\": \"%s\"}", line) > 0);
        cases[2].arguments = long_text;
        lines = repeated("${vm.cmdline}", 50);
        assert_true(asprintf(&long_one, "{\"append\": \"%s\"}", lines) > 0);
        many_long = repeated(long_one, 20);
        cases[3].arguments = many_long;
        /* 3 forwards to the power of 13, and no argument */
        for (char *p = strstr(deep, "{\"a\": null}"); p; p = NULL)
                memset(p, ' ', strlen("{\"a\": null}"));
        cases[4].arguments = deep;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_(template_set_freep) TemplateSet *set = NULL;
                _cleanup_free_ char *text = NULL;
                LaunchPlan *plan = NULL;

                assert_true(asprintf(&text, HEAD "\"arguments\": [%s]}", cases[i].arguments) > 0);
                set = load("t.json", text);
                assert_int_equal(render(set, "t", &launch, &plan, &error), -EBADMSG);
                if (!strstr(json_member_string(error.fields, "reason"), cases[i].reason))
                        fail_msg("%s: %s", cases[i].reason,
                                 json_member_string(error.fields, "reason"));
        }
}

/* A platform of tomorrow is a file and no C. */
static void test_another_platform(void **state)
{
        static const char text[] =
                "{\"name\": \"arm-cca\", \"description\": \"Arm CCA: a realm\", \"strength\": 30,"
                " \"confidential\": true, \"qemu\": \"qemu-system-aarch64\", \"measure\": \"none\","
                " \"artifacts\": {\"kernel\": {\"needed\": true}, \"initramfs\": {}},"
                " \"requires\": {\"host\": [\"kvm\"], \"qemu\": {\"objects\": [\"rme-guest\"]}},"
                " \"devices\": [\"/dev/kvm\"], \"arguments\": ["
                " {\"accel\": \"kvm\"}, {\"cpu\": \"host\"},"
                " {\"machine\": {\"type\": \"virt\", \"gic-version\": 3,"
                "   \"confidential-guest-support\": \"rme0\"}},"
                " {\"object\": {\"qom-type\": \"rme-guest\", \"id\": \"rme0\","
                "   \"measurement-algorithm\": \"sha512\"}},"
                " {\"smp\": \"${vm.cpus}\"}, {\"m\": \"${vm.memorySize}\"},"
                " {\"include\": \"boot\"}, {\"nographic\": null}, {\"nodefaults\": null},"
                " {\"include\": \"shares\"}, {\"include\": \"console\"}, {\"include\": "
                "\"monitor\"},"
                " {\"include\": \"notify\"}, {\"include\": \"control\"}]}";
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = load("arm-cca.json", text);
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_free_ char *line = NULL;
        Launch launch;

        launch_minimal(&launch);
        assert_int_equal(render(set, "arm-cca", &launch, &plan, &error), 0);
        line = joined(plan);
        assert_ptr_equal(strstr(line, "-accel|kvm|-cpu|host|-machine|virt,gic-version=3,"
                                      "confidential-guest-support=rme0|-object|rme-guest,id=rme0,"
                                      "measurement-algorithm=sha512|-smp|2|-m|2G|-kernel|"
                                      "/proc/self/fd/3|-append|console=null quiet|-initrd|"
                                      "/proc/self/fd/4|"),
                         line);
        assert_int_equal(plan->missing.n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_language),
                cmocka_unit_test(test_values_stay_values),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_missing),
                cmocka_unit_test(test_unknown_cbitpos),
                cmocka_unit_test(test_artifacts_that_it_does_not_take),
                cmocka_unit_test(test_networks),
                cmocka_unit_test(test_vhost),
                cmocka_unit_test(test_passt),
                cmocka_unit_test(test_cpus_max),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_another_platform),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
