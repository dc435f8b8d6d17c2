/* SPDX-License-Identifier: Apache-2.0 */
/* XML of templates: what loading refuses, with its line; what the orders in it do; and that nothing
 * a spec says becomes more than text. */
#include "test.h"

#include "plan-inputs.h"
#include "template/template_internal.h"

#define JSON                                                                                       \
        "{\"name\": \"t\", \"description\": \"d\", \"qemu\": \"q\", \"artifacts\": {\"kernel\": "  \
        "{}, \"initramfs\": {}}, \"arguments\": []}"
#define DOMAIN "<domain xmlns:c='urn:io.cvmd:template'>\n"
#define FRAGMENTS "<c:fragments xmlns:c='urn:io.cvmd:template'>\n"

static const PlanDomain domain = {.env_share = "/e",
                                  .certs_share = "/c",
                                  .console = "/o",
                                  .notify = "/n",
                                  .companions = "/v",
                                  .spec_sha256 = "00",
                                  .artifacts = {[ARTIFACT_KERNEL] = "/k"}};

/* NULL with *error if it is refused. */
static TemplateSet *load(const char *text, const char *fragments, CvmError *error)
{
        TemplateSet *set = template_set_new();
        int r;

        assert_non_null(set);
        r = template_set_add_file(set, "t.json", "/etc/t.json", JSON, strlen(JSON), error);
        assert_int_equal(r, 0);
        r = template_set_add_file(set, "t.xml", "/etc/t.xml", text, strlen(text), error);
        if (r == 0 && fragments)
                r = template_set_add_file(set, "fragments.xml", "/etc/fragments.xml", fragments,
                                          strlen(fragments), error);
        if (r == 0)
                r = template_set_check_domains(set, error);
        if (r == 0)
                r = template_set_check(set, error);
        if (r == 0)
                return set;
        assert_int_equal(r, -EBADMSG);
        assert_int_equal(error->id, CVM_ERROR_TEMPLATE_INVALID);
        return template_set_free(set);
}

/* Those that are built in are read and checked where one is overridden; else when they are used. */
static void test_built_in(void **state)
{
        static const char own[] = FRAGMENTS "</c:fragments>";
        _cleanup_(template_set_freep) TemplateSet *set = template_set_new();
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_non_null(set);
        assert_int_equal(template_set_add_builtin(set, &error), 0);
        assert_false(template_set_domains_are_used(set));
        assert_int_equal(template_set_add_file(set, "fragments.xml", "/etc/fragments.xml", own,
                                               strlen(own), &error),
                         0);
        assert_true(template_set_domains_are_used(set));
        assert_int_equal(template_set_load_domains(set, &error), 0);
        assert_int_equal(template_set_check(set, &error), 0);
}

static void test_refusals(void **state)
{
        static const struct {
                const char *text, *fragments, *reason;
        } cases[] = {
                {"", NULL, "/etc/t.xml:1: "},
                {"<domain>\n<name></domain>", NULL, "/etc/t.xml:2: "},
                {"<machine/>", NULL, "/etc/t.xml:1: its root must be 'domain'"},
                {"<domain xmlns='urn:x'/>", NULL, "its root must be 'domain'"},
                {"<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;</domain>",
                 NULL, "a DTD is not allowed"},
                {"<domain>\n<a>&undefined;</a></domain>", NULL, "/etc/t.xml:2: "},
                {"<domain>\n<?sh run?></domain>", NULL, "/etc/t.xml:2: only elements"},
                {"<domain>\n<a>text<b/></a></domain>", NULL,
                 "/etc/t.xml:2: text cannot stand next to"},
                {DOMAIN "<a>${vm.gpu}</a></domain>", NULL,
                 "/etc/t.xml:2: domain/a: unknown variable 'vm.gpu'"},
                {DOMAIN "<a\nb='${vm.gpu}'/></domain>", NULL, "a@b: unknown variable 'vm.gpu'"},
                {DOMAIN "<a>${vm}</a></domain>", NULL, "'vm' is a group of variables"},
                {DOMAIN "<a>${net.forwards}</a></domain>", NULL, "a list cannot be used in a text"},
                {DOMAIN "<a>${fd.kernel}</a></domain>", NULL, "unknown variable 'fd.kernel'"},
                {DOMAIN "<a c:when='vm.gpu'/></domain>", NULL, "unknown variable 'vm.gpu'"},
                {DOMAIN "<a c:when='{\"no\": 1}'/></domain>", NULL, "a condition is"},
                {DOMAIN "<a c:when='{'/></domain>", NULL, "is not a condition"},
                {DOMAIN "<a c:unless='vm.kvm'/></domain>", NULL, "'unless' is not one of"},
                {DOMAIN "<a c:when-b='vm.kvm'/></domain>", NULL, "for an attribute that does not"},
                {DOMAIN "<a b='1' c:else-b='2'/></domain>", NULL, "'else-b' requires 'when-b'"},
                {DOMAIN "<a c:each='net.forwards'/></domain>", NULL, "require each other"},
                {DOMAIN "<a c:as='f'/></domain>", NULL, "require each other"},
                {DOMAIN "<a c:each='vm.name' c:as='f'/></domain>", NULL, "'vm.name' is not a list"},
                {DOMAIN "<c:loop/></domain>", NULL, "unknown element 'loop'"},
                {DOMAIN "<c:include/></domain>", NULL, "requires the name of a fragment"},
                {DOMAIN "<c:include fragment='x'/></domain>", NULL, "unknown fragment 'x'"},
                {DOMAIN "<c:include fragment='x'/></domain>", "<fragments/>",
                 "/etc/fragments.xml:1: its root must be 'fragments'"},
                {DOMAIN "<c:include fragment='x'/></domain>",
                 FRAGMENTS "<c:fragment name='x'>\n<c:include fragment='x'/></c:fragment>"
                           "</c:fragments>",
                 "/etc/fragments.xml:3: domain/include/include"},
                {DOMAIN "<a c:each='net.forwards' c:as='f'><c:include fragment='x'/></a></domain>",
                 FRAGMENTS "<c:fragment name='x'><b>${f.hostPort}</b></c:fragment></c:fragments>",
                 "unknown variable 'f.hostPort'"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_free_ char *message = NULL;

                if (load(cases[i].text, cases[i].fragments, &error))
                        fail_msg("accepted: %s", cases[i].text);
                message = cvm_error_message(&error);
                if (!strstr(message, cases[i].reason))
                        fail_msg("'%s' is refused with '%s', not '%s'", cases[i].text, message,
                                 cases[i].reason);
        }
}

static void test_needs_its_template(void **state)
{
        _cleanup_(template_set_freep) TemplateSet *set = template_set_new();
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_int_equal(
                template_set_add_file(set, "lone.xml", "/etc/lone.xml", "<domain/>", 9, &error), 0);
        assert_int_equal(template_set_check_domains(set, &error), -EBADMSG);
        assert_non_null(strstr(json_member_string(error.fields, "reason"), "/etc/lone.xml"));
}

/* What `text` renders to, without the XML declaration. */
static char *render(const char *text, const char *fragments, const Launch *launch)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = load(text, fragments, &error);
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;

        if (!set ||
            template_render(set, template_set_get(set, 0), &launch->inputs, &plan, &error)) {
                _cleanup_free_ char *message = cvm_error_message(&error);

                fail_msg("%s", message);
        }
        return strdup(strchr(plan->domain, '\n') + 1);
}

static void launch(Launch *launch)
{
        launch_minimal(launch);
        launch->inputs.domain = &domain;
}

static void test_orders(void **state)
{
        static const struct {
                const char *text, *fragments, *rendered;
        } cases[] = {
                {"<domain><!-- gone --><a b=' ${vm.cpus}'>x${vm.cpus} $${y}</a></domain>", NULL,
                 "<domain>\n  <a b=\" 2\">x2 ${y}</a>\n</domain>\n"},
                {DOMAIN "<a c:when='vm.kvm'/><b c:when='{\"not\": \"vm.kvm\"}'/></domain>", NULL,
                 "<domain>\n  <b/>\n</domain>\n"},
                {DOMAIN "<a b='1' c:when-b='vm.kvm'/><a b='1' c:when-b='vm.name'/></domain>", NULL,
                 "<domain>\n  <a/>\n  <a b=\"1\"/>\n</domain>\n"},
                {DOMAIN "<a b='1' c:when-b='vm.kvm' c:else-b='${vm.name}'/></domain>", NULL,
                 "<domain>\n  <a b=\"web\"/>\n</domain>\n"},
                {DOMAIN "<a c:each='net.forwards' c:as='f' c:when='f.hostPort'>${f.guestPort}</a>"
                        "</domain>",
                 NULL, "<domain>\n  <a>7002</a>\n</domain>\n"},
                {DOMAIN "<c:include fragment='x' c:when='vm.name'/></domain>",
                 FRAGMENTS "<c:fragment name='x'><a/><q:b xmlns:q='urn:q' q:d='1'/></c:fragment>"
                           "</c:fragments>",
                 "<domain>\n  <a/>\n  <q:b xmlns:q=\"urn:q\" q:d=\"1\"/>\n</domain>\n"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *rendered = NULL;
                Launch l;

                launch(&l);
                rendered = render(cases[i].text, cases[i].fragments, &l);
                assert_string_equal(rendered, cases[i].rendered);
        }
}

static void test_text_stays_text(void **state)
{
        _cleanup_free_ char *rendered = NULL;
        Launch l;

        launch(&l);
        l.inputs.cmdline = "</a><b c='d'>&amp;${vm.name}<!--\"'";
        rendered = render("<domain><a b='${vm.cmdline}'>${vm.cmdline}</a></domain>", NULL, &l);
        assert_string_equal(rendered,
                            "<domain>\n  <a b=\"&lt;/a&gt;&lt;b c='d'&gt;&amp;amp;${vm.name}"
                            "&lt;!--&quot;'\">&lt;/a&gt;&lt;b c='d'&gt;&amp;amp;${vm.name}"
                            "&lt;!--\"'</a>\n</domain>\n");
}

static void test_unwritable_is_refused(void **state)
{
        static const char *const texts[] = {"\x01", "a\x1b[m", "\xef\xbf\xbf"};
        _cleanup_(cvm_error_done) CvmError load_error = {};
        _cleanup_(template_set_freep) TemplateSet *set =
                load("<domain><a>${vm.cmdline}</a></domain>", NULL, &load_error);

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                LaunchPlan *plan = NULL;
                Launch l;

                launch(&l);
                l.inputs.cmdline = texts[i];
                assert_int_equal(
                        template_render(set, template_set_get(set, 0), &l.inputs, &plan, &error),
                        -EBADMSG);
        }
}

static void test_what_libvirt_cannot(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {}, shares = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        LaunchPlan *plan = NULL;
        Launch l;

        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        launch(&l);
        assert_int_equal(
                template_render(set, template_set_find(set, "sev-snp"), &l.inputs, &plan, &error),
                -EINVAL);
        assert_string_equal(json_member_string(error.fields, "field"), "driver");
        assert_non_null(strstr(json_member_string(error.fields, "reason"), "IGVM"));
        launch_full(&l);
        l.inputs.domain = &domain;
        assert_int_equal(
                template_render(set, template_set_find(set, "plain"), &l.inputs, &plan, &shares),
                -EINVAL);
        assert_string_equal(json_member_string(shares.fields, "field"), "shares");
}

/* Companions run beside a domain, too; its QEMU finds the socket of one by its path. */
static void test_companions(void **state)
{
        static const char tpm[] = DOMAIN "<devices><tpm><source path='${companion.tpm}'/></tpm>"
                                         "</devices></domain>";
        static const struct {
                const char *socket, *reason;
        } cases[] = {{"listen", NULL}, {"pair", "cannot have a companion whose socket is a pair"}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(template_set_freep) TemplateSet *set = template_set_new();
                _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_free_ char *json = NULL;
                Launch l;

                assert_true(asprintf(&json,
                                     "{\"name\": \"t\", \"description\": \"d\", \"qemu\": \"q\", "
                                     "\"artifacts\": {\"kernel\": {}, \"initramfs\": {}}, "
                                     "\"companions\": [{\"name\": \"tpm\", \"program\": \"tpmd\", "
                                     "\"package\": \"tpm\", \"socket\": \"%s\", \"arguments\": "
                                     "[\"${self.%s}\"]}], \"arguments\": []}",
                                     cases[i].socket,
                                     cases[i].reason ? "socket" : "directory") > 0);
                assert_int_equal(template_set_add_file(set, "t.json", "/etc/t.json", json,
                                                       strlen(json), &error),
                                 0);
                assert_int_equal(
                        template_set_add_file(set, "t.xml", "/etc/t.xml", tpm, strlen(tpm), &error),
                        0);
                assert_int_equal(template_set_check_domains(set, &error), 0);
                assert_int_equal(template_set_check(set, &error), 0);
                launch(&l);
                l.inputs.domain = &domain;
                if (cases[i].reason) {
                        assert_int_equal(template_render(set, template_set_get(set, 0), &l.inputs,
                                                         &plan, &error),
                                         -EBADMSG);
                        assert_non_null(strstr(json_member_string(error.fields, "reason"),
                                               cases[i].reason));
                        continue;
                }
                assert_int_equal(
                        template_render(set, template_set_get(set, 0), &l.inputs, &plan, &error),
                        0);
                assert_non_null(strstr(plan->domain, "<source path=\"/v/tpm.d/socket\"/>"));
                assert_int_equal(plan->n_companions, 1);
                assert_string_equal(plan->companions[0].command->argv[0], "tpmd");
                assert_true(template_set_domain_needs(set, template_set_get(set, 0)).tpm);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_built_in),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_needs_its_template),
                cmocka_unit_test(test_orders),
                cmocka_unit_test(test_text_stays_text),
                cmocka_unit_test(test_unwritable_is_refused),
                cmocka_unit_test(test_what_libvirt_cannot),
                cmocka_unit_test(test_companions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
