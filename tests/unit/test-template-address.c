/* SPDX-License-Identifier: Apache-2.0 */
/* The address space of a machine, and what is done where a CPU model's 40 bits do not reach. */
#include "test.h"

#include "plan-inputs.h"
#include "template/template_internal.h"

#define G (1ull << 30)

/* The second number of "Address space limit 0xffffffffff < 0x1fc3fffffff phys-bits too low (40)",
 * which QEMU 7.2 says for EPYC-v3; 0: it starts. */
static void test_last(void **state)
{
        static const struct {
                uint64_t memory, memory_max, slots, last;
        } cases[] = {
                {512u << 20, 30 * G, 5, 0},
                {940 * G, 941 * G, 5, 0},
                {972 * G, 973 * G, 5, 0},
                {972500ull << 20, 973524ull << 20, 5, 0},
                {972 * G, 974 * G, 4, 0},
                {978 * G, 978 * G, 0, 0},
                {973 * G, 974 * G, 5, 0x1fc3fffffff},
                {979 * G, 979 * G, 0, 0x1fc3fffffff},
                {980 * G, 981 * G, 5, 0x1fdffffffff},
                {1000 * G, 1001 * G, 1, 0x201ffffffff},
                {971 * G, 1000 * G, 7, 0x2033fffffff},
                {1024 * G, 1025 * G, 5, 0x208ffffffff},
                {30 * G, 1000 * G, 5, 0x202bfffffff},
                {2048 * G, 2049 * G, 5, 0x308ffffffff},
                {16384 * G, 17408 * G, 5, 0x1208bfffffff},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                AddressNeeds needs = {cases[i].memory, cases[i].memory_max, cases[i].slots, true,
                                      false};
                uint64_t last = address_space_last(&needs);

                assert_true(cases[i].last ? last == cases[i].last : last < 1ull << 40);
                assert_int_equal(address_space_bits(&needs) > ADDRESS_BITS_DEFAULT,
                                 cases[i].last != 0);
        }
}

/* Only AMD's vCPUs have memory moved; the window of GPUs is aligned to its size. */
static void test_needs(void **state)
{
        static const struct {
                AddressNeeds needs;
                unsigned bits;
        } cases[] = {
                {{984 * G, 985 * G, 5, false, false}, 40},
                {{985 * G, 986 * G, 5, false, false}, 41},
                {{8 * G, 30 * G, 5, true, true}, 39},
                {{250 * G, 251 * G, 5, true, true}, 40},
                {{500 * G, 501 * G, 5, true, true}, 40},
                {{504 * G, 505 * G, 5, true, true}, 40},
                /* a window from 768 GiB on would end in the range of HyperTransport */
                {{505 * G, 506 * G, 5, true, true}, 41},
                {{505 * G, 506 * G, 5, false, true}, 40},
                {{760 * G, 761 * G, 5, false, true}, 40},
                {{761 * G, 762 * G, 5, false, true}, 41},
                {{1ull << 62, 1ull << 62, 0, true, true}, 63},
                {{UINT64_MAX, UINT64_MAX, 0, true, false}, 64},
                {{G, UINT64_MAX, UINT64_MAX, false, true}, 64},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (address_space_bits(&cases[i].needs) != cases[i].bits)
                        fail_msg("%zu: %u", i, address_space_bits(&cases[i].needs));
}

static TemplateSet *set;

static int load(void **state)
{
        CvmError error = {};

        return template_set_load(NULL, &set, &error);
}

static int unload(void **state)
{
        set = template_set_free(set);
        return 0;
}

/* The words of -cpu, or of the domain's element; and the reason that plan_check_machine() gives. */
static char *cpu_of(const char *platform, Launch *launch, char **ret_reason)
{
        const Template *template = template_set_find(set, platform);
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        HostCheckList missing = {};
        char *cpu = NULL;

        launch_needs(launch, template);
        assert_int_equal(template_render(set, template, &launch->inputs, &plan, &error), 0);
        for (size_t i = 0; i + 1 < plan->argc; i++)
                if (strcmp(plan->argv[i], "-cpu") == 0)
                        cpu = strdup(plan->argv[i + 1]);
        if (plan->domain)
                cpu = strdup(strstr(plan->domain, "maxphysaddr") ? "passthrough" : "model");
        assert_int_equal(plan_check_machine(plan, template, &launch->inputs, NULL, &missing), 0);
        *ret_reason = NULL;
        for (size_t i = 0; i < missing.n; i++)
                if (strcmp(missing.items[i].name, "address-space") == 0)
                        assert_true(asprintf(ret_reason, "%s|%s|%s", missing.items[i].found,
                                             missing.items[i].needed, missing.items[i].fix) > 0);
        host_check_list_done(&missing);
        assert_non_null(cpu);
        return cpu;
}

static void test_platforms(void **state)
{
        static const struct {
                const char *platform, *cpu;
        } platforms[] = {{"sev", "EPYC-v3"},
                         {"sev-es", "EPYC-v3"},
                         {"sev-snp", "EPYC-v4"},
                         {"sev-snp-ovmf", "EPYC-v4"}};

        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
                for (int large = 0; large < 2; large++) {
                        _cleanup_free_ char *cpu = NULL, *expected = NULL, *reason = NULL;
                        Launch launch;

                        launch_minimal(&launch);
                        launch.inputs.kvm = true;
                        launch.inputs.memory = (large ? 973 : 972) * G;
                        cpu = cpu_of(platforms[i].platform, &launch, &reason);
                        assert_true(asprintf(&expected, "%s%s", platforms[i].cpu,
                                             large ? ",host-phys-bits=on" : "") > 0);
                        assert_string_equal(cpu, expected);
                        assert_null(reason);
                }
}

/* A domain has no room for more memory. Without libvirt in the build there is none. */
static void test_domains(void **state)
{
        static const PlanDomain domain = {.env_share = "/e",
                                          .certs_share = "/c",
                                          .console = "/x",
                                          .notify = "/n",
                                          .companions = "/d",
                                          .spec_sha256 = "00",
                                          .artifacts = {"/k", "/i", "/f", "/g"}};
        static const char *const platforms[] = {"sev", "sev-snp-ovmf"};

        for (size_t i = 0; domain_is_built() && i < ARRAY_SIZE(platforms); i++)
                for (int large = 0; large < 2; large++) {
                        _cleanup_free_ char *cpu = NULL, *reason = NULL;
                        Launch launch;

                        launch_minimal(&launch);
                        launch.inputs.kvm = true;
                        launch.inputs.domain = &domain;
                        launch.inputs.memory = (large ? 979 : 978) * G;
                        cpu = cpu_of(platforms[i], &launch, &reason);
                        assert_string_equal(cpu, large ? "passthrough" : "model");
                        assert_null(reason);
                        launch.host.address_bits = 40;
                        free(cpu);
                        cpu = cpu_of(platforms[i], &launch, &reason);
                        assert_int_equal(reason != NULL, large);
                }
}

static void test_gpus_need_it(void **state)
{
        for (int large = 0; large < 2; large++) {
                _cleanup_free_ char *cpu = NULL, *reason = NULL;
                Launch launch;

                launch_full(&launch);
                launch.inputs.memory = (large ? 505 : 504) * G;
                cpu = cpu_of("sev-snp-ovmf", &launch, &reason);
                assert_int_equal(strstr(cpu, "host-phys-bits=on") != NULL, large);
        }
}

static void test_beyond_the_cpu(void **state)
{
        static const struct {
                const char *platform;
                uint64_t memory;
                uint32_t bits;
                bool kvm;
                const char *vendor, *reason;
        } cases[] = {
                {"sev", 64 * 1024 * G, 48, true, "AuthenticAMD", NULL},
                {"sev", 300 * 1024 * G, 48, true, "AuthenticAMD",
                 "memory of 300T requires 49 physical address bits|at most 48, the limit of this "
                 "host's CPU|use less memory, or a host whose CPU has more address bits"},
                {"sev-snp-ovmf", 300 * 1024 * G, 0, true, "AuthenticAMD", NULL}, /* not known */
                {"tdx", 64 * 1024 * G, 46, true, "GenuineIntel",
                 "memory of 64T requires 47 physical address bits|at most 46, the limit of this "
                 "host's CPU|use less memory, or a host whose CPU has more address bits"},
                {"tdx", 984 * G, 40, true, "GenuineIntel", NULL},
                {"plain", 973 * G, 46, true, "GenuineIntel", NULL},
                {"plain", 972 * G, 46, false, "GenuineIntel", NULL},
                {"plain", 973 * G, 46, false, "GenuineIntel",
                 "memory of 973G requires 41 physical address bits|at most 40, the limit of an "
                 "emulated CPU (TCG)|use less memory, or a host with KVM"},
                {"plain", 973 * G, 40, true, "AuthenticAMD",
                 "memory of 973G requires 41 physical address bits|at most 40, the limit of this "
                 "host's CPU|use less memory, or a host whose CPU has more address bits"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *cpu = NULL, *reason = NULL;
                Launch launch;

                launch_minimal(&launch);
                launch.inputs.kvm = cases[i].kvm;
                launch.inputs.memory = cases[i].memory;
                launch.host.address_bits = cases[i].bits;
                launch.host.cpu_vendor = (char *)cases[i].vendor;
                cpu = cpu_of(cases[i].platform, &launch, &reason);
                if (!cases[i].reason != !reason || (reason && strcmp(reason, cases[i].reason) != 0))
                        fail_msg("%zu: %s", i, reason ?: "taken");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_last),         cmocka_unit_test(test_needs),
                cmocka_unit_test(test_platforms),    cmocka_unit_test(test_domains),
                cmocka_unit_test(test_gpus_need_it), cmocka_unit_test(test_beyond_the_cpu),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
