/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command lines of the built-in templates.
 *
 * tests/golden/PLATFORM-{minimal,full}.args: what each renders, an argument a line, and after a
 * blank line each companion. After a change that is meant, CVMD_GOLDEN_UPDATE=1 writes them anew;
 * the diff is to be read. tests/golden/PLATFORM-{minimal,full}.xml: the same as libvirt domains.
 * tests/golden/document-PLATFORM.args: the commands by which the platforms' documents start a guest
 * (8 GiB, 4 or 16 vCPUs, ports 7022 and 7020, CID 6). Each argument of theirs is there in the same
 * order, or is in the table of differences below with its reason.
 * tests/golden/reference-PLATFORM.args: likewise what is known of the arguments of the reference
 * system's manager.
 */
#include "test.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "plan-inputs.h"
#include "template/template_internal.h"

static TemplateSet *set;

static const Template *find(const char *name)
{
        const Template *template = template_set_find(set, name);

        assert_non_null(template);
        return template;
}

static LaunchPlan *render(const Template *template, const Launch *launch)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        LaunchPlan *plan = NULL;

        if (template_render(set, template, &launch->inputs, &plan, &error) < 0) {
                _cleanup_free_ char *message = cvm_error_message(&error);

                fail_msg("%s", message);
        }
        return plan;
}

static char *golden_path(const char *name, const char *suffix)
{
        const char *root = getenv("CVMD_SOURCE_ROOT");
        char *path = NULL;

        assert_non_null(root);
        assert_true(asprintf(&path, "%s/tests/golden/%s.%s", root, name, suffix) > 0);
        return path;
}

/* What was rendered is what the file says, or is written to it. */
static void compare_file(const char *path, const char *rendered)
{
        _cleanup_free_ char *expected = NULL;

        if (getenv("CVMD_GOLDEN_UPDATE")) {
                FILE *file = fopen(path, "we");

                assert_non_null(file);
                assert_true(fputs(rendered, file) >= 0);
                assert_int_equal(fclose(file), 0);
        }
        if (file_read_at(AT_FDCWD, path, 1 << 20, &expected, NULL) < 0)
                fail_msg("there is no %s; CVMD_GOLDEN_UPDATE=1 writes it", path);
        assert_string_equal(rendered, expected);
}

static void compare_golden(const Template *template, const char *kind, const Launch *launch)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan = render(template, launch);
        _cleanup_(buffer_done) Buffer rendered = {};
        _cleanup_free_ char *name = NULL, *path = NULL;

        assert_true(asprintf(&name, "%s-%s", template_name(template), kind) > 0);
        path = golden_path(name, "args");
        for (size_t i = 0; i < plan->argc; i++)
                assert_int_equal(buffer_appendf(&rendered, "%s\n", plan->argv[i]), 0);
        for (size_t i = 0; i < plan->n_companions; i++) {
                const LaunchPlan *command = plan->companions[i].command;

                assert_int_equal(buffer_append_text(&rendered, "\n"), 0);
                for (size_t j = 0; j < command->argc; j++)
                        assert_int_equal(buffer_appendf(&rendered, "%s\n", command->argv[j]), 0);
        }
        compare_file(path, rendered.data);
}

static void compare_domain(const Template *template, const char *kind, Launch *launch,
                           const PlanDomain *domain)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_free_ char *name = NULL, *path = NULL;

        if (!template_set_has_domain(set, template))
                return;
        launch->inputs.domain = domain;
        plan = render(template, launch);
        assert_non_null(plan->domain);
        assert_int_equal(plan->argc, 0);
        assert_int_equal(plan->n_descriptors, 0);
        assert_true(asprintf(&name, "%s-%s", template_name(template), kind) > 0);
        path = golden_path(name, "xml");
        compare_file(path, plan->domain);
}

static SpecSecurity security[SPEC_SECURITY_MAX];
static char *security_text[SPEC_SECURITY_MAX];

/* All fields of launchSecurity that the platform takes. */
static void launch_secure(Launch *launch, const Template *template)
{
        static const uint8_t zeros[4096];
        size_t n = 0;

        for (const SpecSecurityKey *key = spec_security_keys; key->name; key++) {
                if (!json_member(template->security, key->name))
                        continue;
                free(security_text[n]);
                security_text[n] = key->kind == SPEC_SECURITY_BYTES ? text_base64(zeros, key->size)
                                                                    : strdup("0x20005");
                security[n] = (SpecSecurity){key, security_text[n], 0x20005};
                n++;
        }
        launch->spec.security = security;
        launch->spec.n_security = n;
}

#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static const PlanDomain minimal_domain = {
        .artifacts = {[ARTIFACT_KERNEL] = "/run/cvmd/artifacts/k",
                      [ARTIFACT_INITRAMFS] = "/run/cvmd/artifacts/i",
                      [ARTIFACT_FIRMWARE] = "/run/cvmd/artifacts/f"},
        .env_share = "/run/cvmd/shares/ID/env",
        .certs_share = "/run/cvmd/shares/ID/certs",
        .console = "/run/cvmd/vms/ID/console",
        .notify = "/run/cvmd/vms/ID/notify",
        .companions = "/run/cvmd/vms/ID",
        .spec_sha256 = DIGEST,
        .owner = 1000,
        .passt = true,
};

/* A daemon of root's, and a libvirt without passt. */
static const PlanDomain full_domain = {
        .artifacts = {[ARTIFACT_KERNEL] = "/run/a&b/<k>",
                      [ARTIFACT_INITRAMFS] = "/run/cvmd/artifacts/\"i'",
                      [ARTIFACT_FIRMWARE] = "/run/cvmd/artifacts/f"},
        .env_share = "/run/cvmd/shares/ID/env",
        .certs_share = "/run/cvmd/shares/ID/certs",
        .console = "/run/cvmd/vms/ID/console",
        .notify = "/run/cvmd/vms/ID/notify",
        .companions = "/run/cvmd/vms/ID",
        .spec_sha256 = DIGEST,
        .owner = 1000,
        .uid = 1900000000,
        .gid = 107,
};

static void test_minimal(void **state)
{
        for (size_t i = 0; i < template_set_size(set); i++) {
                const Template *template = template_set_get(set, i);
                Launch launch;

                launch_minimal(&launch);
                launch_needs(&launch, template);
                compare_golden(template, "minimal", &launch);
                compare_domain(template, "minimal", &launch, &minimal_domain);
        }
}

static void test_full(void **state)
{
        for (size_t i = 0; i < template_set_size(set); i++) {
                const Template *template = template_set_get(set, i);
                Launch launch;

                launch_full(&launch);
                for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                        launch.inputs.artifacts[kind].present = template->artifacts[kind].taken;
                launch_secure(&launch, template);
                compare_golden(template, "full", &launch);
                launch.spec.n_shares = launch.spec.n_disks = launch.spec.n_gpus =
                        0; /* libvirt takes none */
                compare_domain(template, "full", &launch, &full_domain);
        }
}

/* All that is for the SVSM itself, by a QEMU that gives it devices and planes. */
static void test_svsm(void **state)
{
        const Template *template = find("sev-snp");
        Launch launch;

        launch_minimal(&launch);
        launch_needs(&launch, template);
        launch.inputs.planes = true;
        launch.disks[0] = (SpecDisk){.id = (char *)"state",
                                     .path = (char *)"/srv/state",
                                     .fd = -1,
                                     .bus = SPEC_DISK_SVSM};
        launch.spec.disks = launch.disks;
        launch.spec.n_disks = 1;
        launch.spec.svsm = (SpecSvsm){.given = true,
                                      .log = true,
                                      .url = (char *)"https://kbs:8443/a,b",
                                      .protocol = (char *)"kbs"};
        compare_golden(template, "svsm", &launch);
        launch.spec.svsm.transport = SPEC_SVSM_VSOCK;
        launch.inputs.vsock_cid = 7;
        compare_golden(template, "svsm-vsock", &launch);
}

/* One difference: an option of the document (NULL: it has none) and ours in its place (NULL: left
 * out), and why. */
typedef struct Difference {
        const char *theirs, *ours, *reason;
} Difference;

#define BY_DESCRIPTOR                                                                              \
        "QEMU gets files as descriptors: what was measured is what it reads, and no path is raced"
#define SHARE_READ_ONLY                                                                            \
        "by descriptor as other files; read-only, since a guest has no business in changing what " \
        "it "                                                                                      \
        "was given"
#define FORWARD "bound to loopback unless the spec says otherwise"
#define MONITOR "the daemon speaks QMP; nobody else controls the guest's QEMU"
#define QMP "QMP on a listening socket that the daemon made, so that a restarted daemon finds it"
#define CONSOLE "the guest's console goes to the daemon, which bounds and keeps it"
#define NOTIFY "the guest says over this port that it is ready"
#define LIFE                                                                                       \
        "the daemon learns how the guest ended, also if it was away then, and decides what next"

static const Difference sev_snp[] = {
        {"-netdev user,id=vmnic,hostfwd=tcp::7022-:7002",
         "-netdev user,id=vmnic,hostfwd=tcp:127.0.0.1:7022-:7002", FORWARD},
        {"-object igvm-cfg,id=igvm0,file=$IGVM", "-object igvm-cfg,id=igvm0,file=/proc/self/fd/3",
         BY_DESCRIPTOR},
        {"-kernel $KERNEL", "-kernel /proc/self/fd/4", BY_DESCRIPTOR},
        {"-initrd $INITRD", "-initrd /proc/self/fd/5", BY_DESCRIPTOR},
        {"-monitor pty", "-monitor none", MONITOR},
        {NULL, "-chardev socket,id=qmp,fd=6,server=on,wait=off", QMP},
        {"-monitor unix:monitor,server,nowait", "-qmp chardev:qmp", MONITOR},
        {"-fsdev local,id=env_fs,path=$ENV_PATH,security_model=mapped",
         "-fsdev local,id=env_fs,path=/proc/self/fd/7,security_model=mapped,readonly=on",
         SHARE_READ_ONLY},
        {"-fsdev local,id=cert_fs,path=$CERTH_PATH,security_model=mapped",
         "-fsdev local,id=cert_fs,path=/proc/self/fd/8,security_model=mapped,readonly=on",
         SHARE_READ_ONLY},
        {NULL, "-nodefaults", "no floppy, CD-ROM or parallel port that nobody asked for"},
        {NULL, "-vga none", "QEMU 10.1 hangs with a display and an IGVM file"},
        {NULL, "-no-reboot", LIFE},
        {NULL, "-chardev socket,id=console,fd=9,server=on,wait=off", CONSOLE},
        {NULL, "-serial chardev:console", CONSOLE},
        {NULL, "-device virtio-serial-pci", NOTIFY},
        {NULL, "-chardev socket,id=notify,fd=10,server=on,wait=off", NOTIFY},
        {NULL, "-device virtserialport,chardev=notify,name=io.cvmd.notify", NOTIFY},
        {NULL, "-name web,debug-threads=on", "tells whose process it is in ps and top"},
        {NULL, "-uuid 3d1c3d0a-5a0e-4a53-9c3c-0f6a6c8d1e22", "the CVM's id, seen in the guest too"},
        {NULL, "-no-user-config", "the command line alone says what is run"},
        {NULL, "-no-shutdown", LIFE},
        {NULL, "-S", "the guest runs when its record is written"},
        {NULL, "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
         "a guest that breaks out of QEMU finds little"},
        {},
};

/* Of the reference system's manager, which starts its guests so by default. Its TDX guests are
 * started by the document's command. */
static const Difference reference_snp[] = {
        {"-cpu EPYC", "-cpu EPYC-v4",
         "the model that the document names; EPYC means another one in each machine version, and "
         "the "
         "launch digest depends on it"},
        {"-smp 4,maxcpus=64", "-smp 4,maxcpus=16",
         "the document's; more where a spec asks for more"},
        {"-m 2048M,slots=5,maxmem=30G", "-m 2G,slots=5,maxmem=30G", "the same size"},
        {"-netdev user,id=vmnic,hostfwd=tcp::7022-:7002",
         "-netdev user,id=vmnic,hostfwd=tcp:127.0.0.1:7022-:7002", FORWARD},
        {"-device "
         "virtio-net-pci,disable-legacy=on,iommu_platform=true,netdev=vmnic,addr=0x2,romfile=",
         "-device virtio-net-pci,disable-legacy=on,iommu_platform=true,netdev=vmnic,romfile=",
         "QEMU picks a free slot, so that no other device can collide with a fixed one"},
        {"-object memory-backend-memfd,id=ram1,size=2048M,share=true,prealloc=false",
         "-object "
         "memory-backend-memfd,id=ram1,size=2G,share=true,prealloc=false,reserve=false",
         "the document's: shared pages are not reserved beside the private ones"},
        {"-object igvm-cfg,id=igvm0,file=$IGVM", "-object igvm-cfg,id=igvm0,file=/proc/self/fd/3",
         BY_DESCRIPTOR},
        {},
};

static const Difference tdx[] = {
        {"-bios $OVMF", "-bios /proc/self/fd/3", BY_DESCRIPTOR},
        {NULL, "-chardev socket,id=console,fd=4,server=on,wait=off", CONSOLE},
        {"-serial mon:stdio", "-serial chardev:console", CONSOLE},
        {"-netdev user,id=nic0_td,hostfwd=tcp::7020-:7002",
         "-netdev user,id=nic0_td,hostfwd=tcp:127.0.0.1:7020-:7002", FORWARD},
        {"-kernel $KERNEL", "-kernel /proc/self/fd/5", BY_DESCRIPTOR},
        {"-initrd $INITRD", "-initrd /proc/self/fd/6", BY_DESCRIPTOR},
        {"-device vhost-vsock-pci,guest-cid=6", "-device vhost-vsock-pci,guest-cid=6,vhostfd=7",
         "the daemon holds the CID by the device's descriptor from before QEMU starts"},
        {"-monitor pty", "-monitor none", MONITOR},
        {NULL, "-chardev socket,id=qmp,fd=8,server=on,wait=off", QMP},
        {"-monitor unix:monitor,server,nowait", "-qmp chardev:qmp", MONITOR},
        {"-fsdev local,id=env_fs,path=$ENV_PATH,security_model=mapped",
         "-fsdev local,id=env_fs,path=/proc/self/fd/9,security_model=mapped,readonly=on",
         SHARE_READ_ONLY},
        {"-fsdev local,id=cert_fs,path=$CERTH_PATH,security_model=mapped",
         "-fsdev local,id=cert_fs,path=/proc/self/fd/10,security_model=mapped,readonly=on",
         SHARE_READ_ONLY},
        {NULL, "-device virtio-serial-pci", NOTIFY},
        {NULL, "-chardev socket,id=notify,fd=11,server=on,wait=off", NOTIFY},
        {NULL, "-device virtserialport,chardev=notify,name=io.cvmd.notify", NOTIFY},
        {NULL, "-vga none", "nobody looks at a display"},
        {NULL, "-name web,debug-threads=on", "tells whose process it is in ps and top"},
        {NULL, "-uuid 3d1c3d0a-5a0e-4a53-9c3c-0f6a6c8d1e22", "the CVM's id, seen in the guest too"},
        {NULL, "-no-user-config", "the command line alone says what is run"},
        {NULL, "-no-shutdown", LIFE},
        {NULL, "-S", "the guest runs when its record is written"},
        {NULL, "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
         "a guest that breaks out of QEMU finds little"},
        {},
};

/* Options with their values, "-m 8G,slots=5"; JSON values without white space. */
typedef struct Options {
        char *items[96];
        size_t n;
} Options;

static void options_done(Options *options)
{
        for (size_t i = 0; i < options->n; i++)
                free(options->items[i]);
}

static void options_add(Options *options, const char *argument)
{
        assert_true(options->n < ARRAY_SIZE(options->items));
        if (*argument == '-') {
                options->items[options->n++] = strdup(argument);
        } else {
                _cleanup_free_ char *before = options->items[options->n - 1];
                _cleanup_json_ json_object *object = NULL;

                if (*argument == '{')
                        assert_int_equal(json_parse(argument, strlen(argument), &object, NULL), 0);
                assert_true(asprintf(&options->items[options->n - 1], "%s %s", before,
                                     object ? json_text(object) : argument) > 0);
        }
}

static void read_document(const char *kind, const char *platform, Options *ret)
{
        _cleanup_free_ char *name = NULL, *path = NULL, *text = NULL;
        char *saved = NULL;

        assert_true(asprintf(&name, "%s-%s", kind, platform) > 0);
        path = golden_path(name, "args");
        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 16, &text, NULL), 0);
        for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
                options_add(ret, line);
}

/* Whether the document has it, to tell a difference that no longer occurs. */
static bool has(const Options *options, const char *item)
{
        for (size_t i = 0; i < options->n; i++)
                if (strcmp(options->items[i], item) == 0)
                        return true;
        return false;
}

static const Difference *difference_of(const Difference *table, const char *theirs)
{
        for (; table->reason; table++)
                if (table->theirs && strcmp(table->theirs, theirs) == 0)
                        return table;
        return NULL;
}

static const Difference *addition_of(const Difference *table, const char *ours)
{
        for (; table->reason; table++)
                if (!table->theirs && strcmp(table->ours, ours) == 0)
                        return table;
        return NULL;
}

static void read_both(const char *kind, const char *platform, const LaunchPlan *plan,
                      Options *theirs, Options *ours)
{
        read_document(kind, platform, theirs);
        for (size_t i = 1; i < plan->argc; i++)
                options_add(ours, plan->argv[i]);
}

static void compare_document(const char *platform, const Difference *table, const Launch *launch)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan = render(find(platform), launch);
        _cleanup_(options_done) Options theirs = {}, ours = {};
        size_t j = 0;

        read_both("document", platform, plan, &theirs, &ours);
        assert_true(theirs.n > 20);

        for (size_t i = 0; i < theirs.n; i++) {
                const Difference *difference = difference_of(table, theirs.items[i]);
                const char *expected = difference ? difference->ours : theirs.items[i];

                while (expected && j < ours.n && strcmp(ours.items[j], expected) != 0) {
                        if (!addition_of(table, ours.items[j]))
                                fail_msg("%s: '%s' stands where '%s' is expected and is no listed "
                                         "difference",
                                         platform, ours.items[j], expected);
                        j++;
                }
                if (expected && j++ == ours.n)
                        fail_msg("%s: '%s' is missing or out of order", platform, expected);
        }
        for (; j < ours.n; j++)
                if (!addition_of(table, ours.items[j]))
                        fail_msg("%s: '%s' is no listed difference", platform, ours.items[j]);
        for (; table->reason; table++)
                if ((table->theirs && !has(&theirs, table->theirs)) ||
                    (table->ours && !has(&ours, table->ours)))
                        fail_msg("%s: the listed difference '%s' to '%s' does not occur", platform,
                                 table->theirs ?: "", table->ours ?: "");
        assert_int_equal(plan->missing.n, 1); /* this host is no host of that platform */
}

/* Each argument of the reference is ours, but for the listed differences; their order, and what we
 * have beyond, are the document's. */
static void compare_reference(const char *platform, const Difference *table, const Launch *launch)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan = render(find(platform), launch);
        _cleanup_(options_done) Options theirs = {}, ours = {};

        read_both("reference", platform, plan, &theirs, &ours);
        assert_true(theirs.n > 10);
        for (size_t i = 0; i < theirs.n; i++) {
                const Difference *difference = difference_of(table, theirs.items[i]);
                const char *expected = difference ? difference->ours : theirs.items[i];

                if (!has(&ours, expected))
                        fail_msg("%s: '%s' is missing", platform, expected);
        }
        for (; table->reason; table++)
                if (!has(&theirs, table->theirs))
                        fail_msg("%s: '%s' does not occur", platform, table->theirs);
}

static void launch_documented(Launch *launch, const char *platform, uint32_t cpus, uint16_t port)
{
        launch_minimal(launch);
        launch->inputs.cpus = cpus;
        launch->inputs.memory = 8ull << 30;
        launch->forwards[0].host_port = port;
        launch->inputs.kvm = true;
        launch_needs(launch, find(platform));
}

static void test_document_sev_snp(void **state)
{
        Launch launch;

        launch_documented(&launch, "sev-snp", 4, 7022);
        compare_document("sev-snp", sev_snp, &launch);
}

static void test_reference_sev_snp(void **state)
{
        Launch launch;

        launch_documented(&launch, "sev-snp", 4, 7022);
        launch.inputs.memory = 2ull << 30;
        compare_reference("sev-snp", reference_snp, &launch);
}

/* A QEMU with planes gives the SVSM's guest one of its own. */
static void test_planes(void **state)
{
        Launch launch;

        launch_minimal(&launch);
        launch_needs(&launch, find("sev-snp"));
        for (int planes = 0; planes < 2; planes++) {
                _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
                bool found = false;

                launch.inputs.planes = planes;
                plan = render(find("sev-snp"), &launch);
                for (size_t i = 0; i < plan->argc; i++)
                        found |= strstr(plan->argv[i], ",kernel-irqchip=split,device-plane=2") !=
                                 NULL;
                assert_int_equal(found, planes);
        }
}

static void test_document_tdx(void **state)
{
        Launch launch;

        launch_documented(&launch, "tdx", 16, 7020);
        compare_document("tdx", tdx, &launch);
}

static int setup(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        return template_set_load(NULL, &set, &error);
}

static int teardown(void **state)
{
        set = template_set_free(set);
        for (size_t i = 0; i < ARRAY_SIZE(security_text); i++)
                free(security_text[i]);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_minimal),      cmocka_unit_test(test_full),
                cmocka_unit_test(test_svsm),         cmocka_unit_test(test_document_sev_snp),
                cmocka_unit_test(test_document_tdx), cmocka_unit_test(test_reference_sev_snp),
                cmocka_unit_test(test_planes),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
