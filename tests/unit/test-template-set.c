/* SPDX-License-Identifier: Apache-2.0 */
/* Loading templates: what is refused, with its line and place; overrides; what a template says. */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "directory.h"
#include "leaks.h"
#include "plan-inputs.h"
#include "template/template_internal.h"

#define HEAD "{\n\"name\": \"t\",\n\"description\": \"d\",\n\"qemu\": \"qemu-system-x86_64\",\n"
#define ARGUMENTS HEAD "\"arguments\": [\n"

/* The built-in fragments and the text as t.json; NULL with *error if it is refused. */
static TemplateSet *load(const char *text, const char *fragments, CvmError *error)
{
        TemplateSet *set = template_set_new();
        int r;

        assert_non_null(set);
        r = template_set_add_builtin(set, error);
        assert_int_equal(r, 0);
        r = template_set_add_file(set, "t.json", "/etc/t.json", text, strlen(text), error);
        if (r == 0 && fragments)
                r = template_set_add_file(set, "fragments.json", "/etc/fragments.json", fragments,
                                          strlen(fragments), error);
        if (r == 0)
                r = template_set_check(set, error);
        if (r == 0)
                return set;
        assert_int_equal(r, -EBADMSG);
        assert_int_equal(error->id, CVM_ERROR_TEMPLATE_INVALID);
        return template_set_free(set);
}

#define COMPANION(members) HEAD "\"companions\": [\n{" members "}], \"arguments\": []}"
#define NAMED "\"name\": \"c\", \"program\": \"p\", \"package\": \"p\", "

static void test_refusals(void **state)
{
        static const struct {
                const char *text, *reason;
        } cases[] = {
                {"", "/etc/t.json:1:1: not valid JSON"},
                {"{\n\"name\": \"t\",\n}", "/etc/t.json:3:"},
                {"[]", "/etc/t.json:1: must be an object"},
                {"{\"name\": \"t\"}", "description: is missing"},
                {HEAD "\"arguments\": 1}", "/etc/t.json:5: arguments: must be an array"},
                {HEAD "\"colour\": 1, \"arguments\": []}", "/etc/t.json:5: colour: unknown field"},
                {"{\"name\": \"u\", \"description\": \"\", \"qemu\": \"q\", \"arguments\": []}",
                 "/etc/t.json:1: name: must be the file's name"},
                {"{\"name\": \"t\", \"description\": \"\", \"qemu\": \"../q\", \"arguments\": []}",
                 "qemu: must be a program's file name"},
                {HEAD "\"strength\": 1001, \"arguments\": []}", "strength: must be an integer"},
                {HEAD "\"artifacts\": {\n\"disk\": {}}, \"arguments\": []}",
                 "/etc/t.json:6: artifacts.disk: must be one of kernel"},
                {HEAD "\"artifacts\": {\n\"igvm\": {\"need\": true}}, \"arguments\": []}",
                 "/etc/t.json:6: artifacts.igvm.need: unknown field"},
                {HEAD "\"requires\": {\n\"host\": [\"kvm\",\n\"rainbow\"]}, \"arguments\": []}",
                 "/etc/t.json:7: requires.host[1]: not the name of a check"},
                {HEAD "\"requires\": {\"host\": [7]}, \"arguments\": []}",
                 "requires.host[0]: not the name of a check"},
                {HEAD "\"requires\": {\"qemu\": {\"objects\": [1]}}, \"arguments\": []}",
                 "requires.qemu.objects[0]: must be a name"},
                {HEAD
                 "\"requires\": {\"svsm\": {\"machines\": {\"q35\": [1]}}}, \"arguments\": []}",
                 "requires.svsm.machines.q35[0]: must be a name"},
                {HEAD "\"floors\": {\"maxmem\": \"much\"}, \"arguments\": []}",
                 "floors.maxmem: must be a size"},
                {HEAD "\"promise\": {\"percent\": 99}, \"arguments\": []}",
                 "promise.percent: must be"},
                {HEAD "\"promise\": {\"extra\": \"much\"}, \"arguments\": []}",
                 "promise.extra: must be a size"},
                {HEAD "\"floors\": {\"maxcpus\": 0}, \"arguments\": []}",
                 "floors.maxcpus: must be"},
                {HEAD "\"devices\": [\"/dev/kvm\", \"dev/sev\"], \"arguments\": []}",
                 "devices[1]: a device must be an absolute path"},
                {HEAD "\"devices\": [{\"when\": \"vm.gpu\", \"value\": \"/dev/x\"}], "
                      "\"arguments\": []}",
                 "devices[0]: unknown variable 'vm.gpu'"},
                /* arguments */
                {ARGUMENTS "1]}", "/etc/t.json:6: arguments[0]: must be an object with one member"},
                {ARGUMENTS "{}]}", "arguments[0]: must be an object with one member"},
                {ARGUMENTS "{\"m\": \"1G\", \"smp\": 1}]}",
                 "arguments[0]: must be an object with one"},
                {ARGUMENTS "{\"-m\": \"1G\"}]}", "arguments[0].-m: not the name of an option"},
                {ARGUMENTS "{\"a b\": null}]}", "arguments[0].a b: not the name of an option"},
                {ARGUMENTS "{\"S\": true},\n{\"machine\": {\n\"type\": \"${vm.machine}\"}}]}",
                 "/etc/t.json:8: arguments[1].machine.type: unknown variable 'vm.machine'"},
                {ARGUMENTS "{\"append\": \"${vm}\"}]}", "'vm' is a group of variables"},
                {ARGUMENTS "{\"append\": \"${}\"}]}", "unknown variable ''"},
                {ARGUMENTS "{\"append\": \"${vm.}\"}]}", "unknown variable 'vm.'"},
                {ARGUMENTS "{\"append\": \"${vm.name\"}]}", "'${' without '}'"},
                {ARGUMENTS "{\"append\": \"a ${shares} b\"}]}", "'shares' is a list"},
                {ARGUMENTS "{\"append\": \"${shares}\"}]}", "arguments[0].append: must be null"},
                {ARGUMENTS "{\"append\": 1.5}]}", "arguments[0].append: a value must be a string"},
                {ARGUMENTS "{\"S\": false}]}", "arguments[0].S: must be null or true"},
                {ARGUMENTS "{\"S\": \"${vm.debug}\"}]}", "arguments[0].S: must be null or true"},
                {ARGUMENTS "{\"object\": {\"a\": null}}]}",
                 "arguments[0].object.a: must be a string"},
                {ARGUMENTS "{\"object\": {\"a\": [\"x\",\n[\"y\"]]}}]}",
                 "arguments[0].object.a: must be a string"},
                {ARGUMENTS "{\"object\": {\"a,b\": 1}}]}", "object.a,b: not a key of an option"},
                {ARGUMENTS "{\"object\": {}}]}", "an object without members"},
                {ARGUMENTS "{\"machine\": {\"a\": {\"b\": 1}}}]}",
                 "arguments[0].machine: this option does not accept an object within an object"},
                {ARGUMENTS "{\"smbios\": \"type=1\"}]}", "smbios: this option requires an object"},
                {ARGUMENTS "{\"cpu\": \"EPYC,+sev\"}]}", "-cpu does not accept a comma"},
                /* when */
                {ARGUMENTS "{\"when\": \"vm.kvm\"}]}", "'when' requires 'do' next to it"},
                {ARGUMENTS "{\"when\": \"vm.kvm\", \"do\": [], \"then\": []}]}",
                 "unknown member 'then' next to 'when'"},
                {ARGUMENTS "{\"when\": \"vm\", \"do\": []}]}", "'vm' is neither true nor false"},
                {ARGUMENTS "{\"when\": \"fd.kernel\", \"do\": []}]}", "is neither true nor false"},
                {ARGUMENTS "{\"when\": {\"xor\": []}, \"do\": []}]}",
                 "a condition is a variable's"},
                {ARGUMENTS "{\"when\": 1, \"do\": []}]}", "a condition is a variable's"},
                {ARGUMENTS "{\"when\": {\"all\": \"vm.kvm\"}, \"do\": []}]}",
                 "'all' requires a list"},
                {ARGUMENTS "{\"when\": {\"any\": [\"vm.kvm\", \"no\"]}, \"do\": []}]}",
                 "unknown variable 'no'"},
                {ARGUMENTS "{\"when\": {\"equals\": [1]}, \"do\": []}]}",
                 "'equals' requires a list"},
                {ARGUMENTS "{\"when\": \"vm.kvm\", \"do\": [],\n\"else\": [{\"m\":\n\"${x}\"}]}]}",
                 "/etc/t.json:7: arguments[0].else[0].m: unknown variable 'x'"},
                {ARGUMENTS "{\"when\": {\"not\": \"vm.kvm\"}, \"do\": [\n{\"m\": \"${x}\"}]}]}",
                 "/etc/t.json:7: arguments[0].do[0].m: unknown variable 'x'"},
                {ARGUMENTS "{\"when\": \"vm.kvm\", \"do\": null}]}",
                 "arguments[0].do: must be a list of arguments"},
                {ARGUMENTS "{\"when\": \"vm.kvm\", \"do\": [], \"else\": null}]}",
                 "arguments[0].else: must be a list of arguments"},
                {ARGUMENTS "{\"device\": {\"a\": {\"when\": \"vm.kvm\", \"value\": null}}}]}",
                 "arguments[0].device.a: a value must be a string"},
                {ARGUMENTS "{\"append\": {\"when\": \"vm.kvm\", \"value\": 1}}]}",
                 "arguments[0].append: 'when' is not allowed here"},
                {ARGUMENTS "{\"netdev\": {\"hostfwd\": [{\"when\": \"vm.kvm\", \"value\": 1}]}}]}",
                 "arguments[0].netdev.hostfwd[0]: 'when' is not allowed here"},
                {ARGUMENTS
                 "{\"device\": {\"a\": {\"each\": \"shares\", \"as\": \"s\", \"value\": 1}}}]}",
                 "arguments[0].device.a: 'each' is not allowed here"},
                {ARGUMENTS "{\"device\": {\"a\": {\"include\": \"boot\"}}}]}",
                 "arguments[0].device.a: 'include' is not allowed here"},
                /* what only a launch that lacks something would come by */
                {ARGUMENTS "{\"machine\": {\"a\": {\"when\": \"vm.kvm\", \"value\": 1}}}]}",
                 "arguments[0].machine: an object without members"},
                {ARGUMENTS "{\"machine\": {\"type\": {\"when\": \"vm.kvm\", \"value\": \"q35\", "
                           "\"else\": {\"a\": 1}}}}]}",
                 "arguments[0].machine: this option does not accept an object within an object"},
                {ARGUMENTS "{\"cpu\": {\"model\": {\"when\": \"vm.kvm\", \"value\": \"host\", "
                           "\"else\": \"a,b\"}}}]}",
                 "arguments[0].cpu.model: -cpu does not accept a comma"},
                {ARGUMENTS "{\"enable-kvm\": \"${vm.kvm}\"}]}",
                 "arguments[0].enable-kvm: must be null or true"},
                {ARGUMENTS "{\"netdev\": {\"hostfwd\": [{\"each\": \"net.forwards\", \"as\": \"f\","
                           " \"value\": \"${f.hostPort}\"}]}}]}",
                 "arguments[0].netdev: an object without members"},
                {ARGUMENTS "{\"device\": {\"a\": {\"when\": \"vm.kvm\"}}}]}",
                 "'when' requires 'value'"},
                {ARGUMENTS "{\"device\": {\"a\": {\"when\": \"vm.kvm\", \"value\": 1, \"else\": "
                           "\"${x}\"}}}]}",
                 "arguments[0].device.a: unknown variable 'x'"},
                /* each */
                {ARGUMENTS "{\"each\": \"shares\", \"do\": []}]}",
                 "'each' requires 'as' next to it"},
                {ARGUMENTS "{\"each\": \"vm.name\", \"as\": \"i\", \"do\": []}]}",
                 "'vm.name' is not a list"},
                {ARGUMENTS "{\"each\": 1, \"as\": \"i\", \"do\": []}]}",
                 "'each' requires the name"},
                {ARGUMENTS "{\"each\": \"shares\", \"as\": \"a.b\", \"do\": []}]}",
                 "'as' requires a name"},
                {ARGUMENTS "{\"each\": \"shares\", \"as\": \"i\", \"do\": [{\"m\": \"${i.x}\"}]}]}",
                 "arguments[0].do[0].m: unknown variable 'i.x'"},
                {ARGUMENTS "{\"each\": \"shares\", \"as\": \"i\", \"do\": []},\n"
                           "{\"m\": \"${i.tag}\"}]}",
                 "/etc/t.json:7: arguments[1].m: unknown variable 'i.tag'"},
                {ARGUMENTS "{\"netdev\": {\"hostfwd\": [{\"each\": \"net.forwards\", \"as\": \"f\","
                           " \"value\": \"${f.x}\"}]}}]}",
                 "arguments[0].netdev.hostfwd[0]: unknown variable 'f.x'"},
                /* companions */
                {HEAD "\"companions\": [7], \"arguments\": []}",
                 "companions[0]: must be an object"},
                {COMPANION("\"name\": \"c\""),
                 "/etc/t.json:6: companions[0]: 'name' requires 'program' next to it"},
                {COMPANION(NAMED "\"socket\": \"tcp\", \"arguments\": []"),
                 "companions[0]: 'socket' must be \"listen\", \"pair\" or \"none\""},
                {COMPANION(NAMED "\"socket\": \"none\", \"arguments\": [\"${self.socket}\"]"),
                 "${self.socket} is available only"},
                {HEAD "\"companions\": [{" NAMED "\"socket\": \"none\", \"arguments\": []}], "
                      "\"arguments\": [{\"serial\": \"fd:${companion.c}\"}]}",
                 "unknown variable 'companion.c'"},
                {COMPANION(NAMED "\"socket\": \"listen\", \"arguments\": [], \"uid\": 0"),
                 "companions[0]: unknown member 'uid'"},
                {COMPANION("\"name\": \"../c\", \"program\": \"p\", \"package\": \"p\", "
                           "\"socket\": \"listen\", \"arguments\": []"),
                 "'name' must be 1 to 32 lowercase letters"},
                {COMPANION("\"name\": \"c\", \"program\": \"/bin/sh\", \"package\": \"p\", "
                           "\"socket\": \"listen\", \"arguments\": []"),
                 "'program' must be a program's file name"},
                {COMPANION("\"name\": 1, \"program\": \"p\", \"package\": \"p\", "
                           "\"socket\": \"listen\", \"arguments\": []"),
                 "companions[0].name: must be a string"},
                {COMPANION(NAMED "\"socket\": \"listen\", \"arguments\": [\"${fd.kernel}\"]"),
                 "companions[0]: a companion has no descriptor 'kernel'"},
                {COMPANION(NAMED "\"socket\": \"listen\", \"arguments\": [\"${self.socket}\"]"),
                 "companions[0]: ${self.socket} is available only with \"socket\": \"pair\""},
                {COMPANION(NAMED "\"socket\": \"pair\", \"arguments\": []"),
                 "companions[0]: with \"socket\": \"pair\", its arguments must use ${self.socket}"},
                {COMPANION(NAMED "\"socket\": \"listen\", \"arguments\": [true]"),
                 "companions[0].arguments[0]: must be a string or an integer"},
                {COMPANION(NAMED "\"socket\": \"listen\", \"arguments\": [\n{\"when\": "
                                 "\"vm.kvm\", \"do\": [], \"else\": [\"${x}\"]}]"),
                 "/etc/t.json:7: companions[0].arguments[0].else[0]: unknown variable 'x'"},
                {COMPANION(NAMED "\"when\": \"no\", \"socket\": \"listen\", \"arguments\": []"),
                 "companions[0].when: unknown variable 'no'"},
                {COMPANION(NAMED "\"socket\": \"listen\", \"arguments\": []}, {" NAMED
                                 "\"socket\": \"listen\", \"arguments\": []"),
                 "companions[1]: there is already a companion 'c'"},
                {ARGUMENTS "{\"m\": \"${companion.c}\"}]}", "unknown variable 'companion.c'"},
                {ARGUMENTS "{\"m\": \"${self.directory}\"}]}", "unknown variable 'self.directory'"},
                /* include */
                {ARGUMENTS "{\"include\": \"nothing\"}]}", "unknown fragment 'nothing'"},
                {ARGUMENTS "{\"include\": [\"boot\"]}]}", "'include' requires the name"},
                {ARGUMENTS "{\"include\": \"boot\", \"width\": {}}]}", "unknown member 'width'"},
                {ARGUMENTS "{\"include\": \"boot\", \"with\": 1}]}", "'with' requires an object"},
                {ARGUMENTS "{\"include\": \"boot\", \"with\": {\"a\": {\"$fd\": \"x\"}}}]}",
                 "'a' must not be an object"},
                {ARGUMENTS "{\"include\": \"netdev\"}]}",
                 "built-in fragments.json:6: netdev[0].do[0].netdev.id: unknown variable 'id'"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                if (load(cases[i].text, NULL, &error))
                        fail_msg("accepted: %s", cases[i].text);
                if (!strstr(json_member_string(error.fields, "reason"), cases[i].reason))
                        fail_msg("%s\nis refused for: %s\nexpected: %s", cases[i].text,
                                 json_member_string(error.fields, "reason"), cases[i].reason);
        }
}

static void test_fragments(void **state)
{
        static const struct {
                const char *fragments, *reason;
        } cases[] = {
                {"{\"a\": [{\"include\": \"a\"}]}", "in a cycle: a → a"},
                {"{\"a\": [{\"include\": \"b\"}],\n\"b\": [{\"S\": null},\n{\"include\": \"a\"}]}",
                 "/etc/fragments.json:3: b[1]: fragments include each other in a cycle: a → b → "
                 "a"},
                {"{\"a\": {}}", "/etc/fragments.json:1: a: must be a list"},
                {"[]", "/etc/fragments.json:1: must be an object"},
                {"{\"a\": [],}", "/etc/fragments.json:1:"},
                {"{\"a\": [{\"each\": \"shares\", \"as\": \"s\", \"do\": [{\"include\": \"b\"}]}],"
                 "\"b\": [{\"m\": \"${s.tag}\"}]}",
                 "b[0].m: unknown variable 's.tag'"},
        };
        _cleanup_(buffer_done) Buffer deep = {};
        _cleanup_(cvm_error_done) CvmError error = {};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError refusal = {};

                if (load(ARGUMENTS "{\"include\": \"a\"}]}", cases[i].fragments, &refusal))
                        fail_msg("accepted: %s", cases[i].fragments);
                if (!strstr(json_member_string(refusal.fields, "reason"), cases[i].reason))
                        fail_msg("%s\nis refused for: %s", cases[i].fragments,
                                 json_member_string(refusal.fields, "reason"));
        }
        assert_int_equal(buffer_append_text(&deep, "{\"a\": [{\"include\": \"f0\"}]"), 0);
        for (int i = 0; i < 40; i++)
                assert_int_equal(
                        buffer_appendf(&deep, ", \"f%d\": [{\"include\": \"f%d\"}]", i, i + 1), 0);
        assert_int_equal(buffer_append_text(&deep, ", \"f40\": []}"), 0);
        assert_null(load(ARGUMENTS "{\"include\": \"a\"}]}", deep.data, &error));
        assert_non_null(strstr(json_member_string(error.fields, "reason"), "too deep: a → f0"));
}

static void test_builtin(void **state)
{
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        const Template *plain, *snp, *tdx;
        bool igvm;

        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        for (size_t i = 0; i < template_set_size(set); i++) {
                const Template *template = template_set_get(set, i);

                assert_ptr_equal(template_set_find(set, template_name(template)), template);
                assert_string_equal(template_origin(template), "built-in");
                assert_true(strlen(template_description(template)) > 10);
                /* what is for development alone is not for `auto` */
                igvm = strcmp(template_name(template), "plain-igvm") == 0;
                assert_int_equal(template_strength(template) == 0,
                                 igvm || strcmp(template_name(template), "plain-uefi") == 0);
                assert_int_equal(template_needs_artifact(template, ARTIFACT_KERNEL), !igvm);
                if (i > 0)
                        assert_true(strcmp(template_name(template_set_get(set, i - 1)),
                                           template_name(template)) < 0);
        }
        assert_null(template_set_find(set, "fragments"));
        assert_null(template_set_find(set, ""));
        plain = template_set_find(set, "plain");
        snp = template_set_find(set, "sev-snp");
        tdx = template_set_find(set, "tdx");
        assert_false(template_is_confidential(plain));
        assert_true(template_is_confidential(snp) && template_is_confidential(tdx));
        assert_true(template_strength(snp) > template_strength(plain));
        assert_true(template_needs_vsock(tdx) && !template_needs_vsock(snp));
        assert_string_equal(template_measure(plain), "none");
        assert_string_equal(template_qemu(snp), "qemu-system-x86_64");
        assert_null(template_host_checks(plain)[0]);
        assert_string_equal(template_host_checks(snp)[0], "sev-snp");
        assert_string_equal(template_host_checks(snp)[2], "kvm"); /* the template has it first */
        assert_null(template_host_checks(snp)[3]);
        assert_string_equal(json_text(json_member(template_requires_qemu(snp), "objects")),
                            "[\"sev-snp-guest\",\"igvm-cfg\",\"memory-backend-memfd\"]");
        assert_string_equal(template_default_artifact(plain, ARTIFACT_INITRAMFS, false),
                            "initramfs");
        assert_string_equal(template_default_artifact(plain, ARTIFACT_INITRAMFS, true),
                            "initramfs-debug");
        assert_string_equal(template_default_artifact(tdx, ARTIFACT_KERNEL, true), "kernel");
        assert_string_equal(template_default_artifact(tdx, ARTIFACT_FIRMWARE, false),
                            "firmware-tdx");
        assert_null(template_default_artifact(plain, ARTIFACT_FIRMWARE, false));
}

static void put(const char *directory, const char *name, const char *text)
{
        _cleanup_free_ char *path = NULL;
        FILE *file;

        assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void test_directory(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *path = NULL, *absent = NULL;
        TemplateSet *set = NULL;
        size_t n;

        assert_true(asprintf(&absent, "%s/none", directory) > 0);
        assert_int_equal(template_set_load(absent, &set, &error), 0);
        n = template_set_size(set);
        set = template_set_free(set);

        put(directory, "plain.json",
            "{\"name\": \"plain\", \"description\": \"mine\", \"qemu\": \"q\", \"arguments\": "
            "[{\"include\": \"console\"}]}");
        put(directory, "t.json", ARGUMENTS "]}");
        put(directory, "fragments.json", "{\"console\": [{\"serial\": \"null\"}]}");
        put(directory, ".hidden.json", "no JSON");
        put(directory, "t.json.bak", "no JSON");
        assert_int_equal(template_set_load(directory, &set, &error), 0);
        assert_int_equal(template_set_size(set), n + 1);
        assert_string_equal(template_description(template_set_find(set, "plain")), "mine");
        assert_true(asprintf(&path, "%s/plain.json", directory) > 0);
        assert_string_equal(template_origin(template_set_find(set, "plain")), path);
        assert_string_equal(json_text(template_set_fragment(set, "console")->arguments),
                            "[{\"serial\":\"null\"}]");
        set = template_set_free(set);

        /* one that is broken fails all */
        put(directory, "u.json", "{");
        assert_int_equal(template_set_load(directory, &set, &error), -EBADMSG);
        assert_null(set);
        assert_string_equal(json_member_string(error.fields, "template"), "u");
}

static void test_names(void **state)
{
        static const struct {
                const char *name;
                bool good;
        } cases[] = {
                {"lab-2", true},
                {"abcdefghijklmnopqrstuvwxyz012345", true},
                {"abcdefghijklmnopqrstuvwxyz0123456", false},
                {"auto", false},
                {"", false},
                {"Lab", false},
                {"a.b", false},
                {"a b", false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_(template_set_freep) TemplateSet *set = template_set_new();
                _cleanup_free_ char *file = NULL, *text = NULL;

                assert_true(asprintf(&file, "%s.json", cases[i].name) > 0);
                assert_true(asprintf(&text,
                                     "{\"name\": \"%s\", \"description\": \"d\", \"qemu\": "
                                     "\"q\", \"arguments\": []}",
                                     cases[i].name) > 0);
                assert_int_equal(template_set_add_file(set, file, NULL, text, strlen(text), &error),
                                 cases[i].good ? 0 : -EBADMSG);
        }
}

/* The template that cvm-template(5) shows is one. */
static void test_example_of_the_manual(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = template_set_new();
        _cleanup_free_ char *path = NULL, *page = NULL;
        char *start, *end;

        assert_true(asprintf(&path, "%s/man/cvm-template.5.scd", getenv("CVMD_SOURCE_ROOT")) > 0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &page, NULL), 0);
        start = strstr(page, "```\n{");
        assert_non_null(start);
        start += 4;
        end = strstr(start, "```");
        assert_non_null(end);
        assert_int_equal(template_set_add_builtin(set, &error), 0);
        assert_int_equal(
                template_set_add_file(set, "lab.json", NULL, start, (size_t)(end - start), &error),
                0);
        assert_int_equal(template_set_check(set, &error), 0);
        assert_non_null(template_set_find(set, "lab"));
}

static void refuses(const char *directory, int expected, const char *word)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *message = NULL;
        TemplateSet *set = NULL;

        assert_int_equal(template_set_load(directory, &set, &error), expected);
        assert_null(set);
        message = cvm_error_message(&error);
        if (!strstr(message, "t.json") || !strstr(message, word))
                fail_msg("refused for: %s", message);
}

/* A pipe would hold the load for ever. */
static void test_no_file(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/t.json", directory) > 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        alarm(10);
        refuses(directory, -EINVAL, "not a regular file");
        alarm(0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        refuses(directory, -EINVAL, "not a regular file");
}

static void test_not_of_root(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *path = NULL;

        if (geteuid() != 0) {
                print_message("who is not root obeys any file that can be read\n");
                skip();
        }
        put(directory, "t.json", ARGUMENTS "]}");
        assert_true(asprintf(&path, "%s/t.json", directory) > 0);
        assert_int_equal(chmod(path, 0622), 0);
        refuses(directory, -EPERM, "only by root");
        assert_int_equal(chmod(path, 0664), 0);
        refuses(directory, -EPERM, "only by root");
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_equal(chown(path, 65534, 0), 0);
        refuses(directory, -EPERM, "only by root");
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(template_set_load(directory, &set, &error), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_fragments),
                cmocka_unit_test(test_builtin),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_example_of_the_manual),
                leaks_unit_test(test_directory),
                leaks_unit_test(test_no_file),
                leaks_unit_test(test_not_of_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
