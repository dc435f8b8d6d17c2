/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of vCPUs, ASIDs and key IDs, on hosts of tests/host. */
#include "test.h"

#include "base/json.h"
#include "launch/capacity.h"
#include "program.h"

static TemplateSet *set;

static int load(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        return template_set_load(NULL, &set, &error);
}

static int unload(void **state)
{
        template_set_free(set);
        return 0;
}

static HostFacts *replay(const char *name)
{
        _cleanup_free_ char *trees = source_path("tests/host"), *root = NULL;
        HostFacts *facts = NULL;

        assert_true(asprintf(&root, "%s/%s", trees, name) > 0);
        assert_int_equal(host_probe(root, &facts), 0);
        return facts;
}

typedef struct Case {
        const char *platform, *resource; /* resource NULL: it fits */
        uint32_t cpus;
        int64_t available;
        const char *holders; /* as JSON */
} Case;

static void check(const Config *config, const HostFacts *facts, Vm **vms, size_t n, const Case *c)
{
        Manager manager = {.home = {.config = config, .table = {.vms = vms, .n = n}},
                           .templates = set};
        const WirePeer peer = {.uid = 1000};
        const Admission admission = {.template = template_set_find(set, c->platform),
                                     .peer = &peer};
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = capacity_check(&manager, facts, &admission, c->cpus, &error);

        if (!c->resource) {
                assert_int_equal(r, 0);
                return;
        }
        assert_true(r < 0);
        assert_string_equal(json_member_string(error.fields, "resource"), c->resource);
        assert_int_equal(json_member_int(error.fields, "available", -1), c->available);
        assert_string_equal(json_object_to_json_string(json_member(error.fields, "holders")),
                            c->holders);
}

static void test_cpus(void **state)
{
        const Config config = {.vcpus_per_cpu = 2};
        const HostFacts facts = {.cpus = 4}, unknown = {};
        Vm one = {.name = (char *)"one",
                  .owner = 1000,
                  .account = 1000,
                  .state = VM_RUNNING,
                  .cpus = 5};
        Vm hidden = {
                .name = (char *)"hidden", .owner = 7, .account = 7, .state = VM_PAUSED, .cpus = 2};
        Vm gone = {.name = (char *)"gone",
                   .owner = 1000,
                   .account = 1000,
                   .state = VM_STOPPED,
                   .cpus = 8};
        Vm *vms[] = {&one, &hidden, &gone};

        one.platform = hidden.platform = gone.platform = (char *)"plain";
        check(&config, &facts, vms, 3, &(Case){.platform = "plain", .cpus = 1});
        check(&config, &facts, vms, 3, &(Case){"plain", "cpus", 2, 1, "[ \"one\" ]"});
        check(&config, &facts, vms, 0, &(Case){.platform = "plain", .cpus = 8});
        check(&config, &facts, vms, 0, &(Case){"plain", "cpus", 9, 8, "[ ]"});
        check(&config, &unknown, vms, 3, &(Case){.platform = "plain", .cpus = 512});
}

static void test_pools_of_hosts(void **state)
{
        const Config config = {.vcpus_per_cpu = 65536};
        _cleanup_(host_facts_freep) HostFacts *snp = replay("sev-snp-out-of-asids"),
                                              *tdx = replay("tdx-out-of-keyids"),
                                              *good = replay("sev-snp");
        Vm vm = {.name = (char *)"a",
                 .owner = 1000,
                 .account = 1000,
                 .state = VM_RUNNING,
                 .cpus = 1};
        Vm *vms[] = {&vm};

        vm.platform = (char *)"sev-snp-ovmf";
        check(&config, good, vms, 1, &(Case){.platform = "sev-snp", .cpus = 1});
        check(&config, snp, vms, 1, &(Case){"sev-snp", "sev-es-asids", 1, 0, "[ \"a\" ]"});
        check(&config, snp, vms, 1, &(Case){.platform = "plain", .cpus = 1});
        check(&config, tdx, vms, 1, &(Case){"tdx", "tdx-keyids", 1, 0, "[ ]"});
}

/* The kernel does not count yet what a CVM that is being started will take. */
static void test_promised(void **state)
{
        const Config config = {.vcpus_per_cpu = 65536, .keys_per_uid_max = 8};
        HostFacts facts = {.asids_sev = {true, 3, 1}};
        Vm vm[2] = {{.name = (char *)"a", .owner = 1000, .account = 1000, .state = VM_PREPARING},
                    {.name = (char *)"b", .owner = 1000, .account = 1000, .state = VM_STARTING}};
        Vm *vms[] = {&vm[0], &vm[1]};
        const Case fits = {.platform = "sev"},
                   full = {"sev", "sev-asids", 0, 0, "[ \"a\", \"b\" ]"};

        vm[0].platform = vm[1].platform = (char *)"sev";
        check(&config, &facts, vms, 1, &fits);
        check(&config, &facts, vms, 2, &full);
        vm[1].state = VM_RUNNING; /* the one that is used */
        check(&config, &facts, vms, 2, &fits);
        vm[1].state = VM_STARTING;
        vm[1].platform = (char *)"tdx"; /* another pool's */
        check(&config, &facts, vms, 2, &fits);
        facts.asids_sev.known = false;
        check(&config, &facts, vms, 2, &fits);
}

static void check_quota(const Config *config, uint64_t keys, uid_t uid, uint64_t limit)
{
        const HostFacts facts = {.cpus = 64, .keyids_tdx = {true, keys, 3}};
        Vm vm[] = {{.name = (char *)"a", .owner = 1000, .account = 1000, .state = VM_RUNNING},
                   {.name = (char *)"b", .owner = 1000, .account = 1000, .state = VM_PAUSED},
                   {.name = (char *)"c", .owner = 1001, .account = 1001, .state = VM_RUNNING},
                   {.name = (char *)"d", .owner = 1000, .account = 1000, .state = VM_STOPPED}};
        Vm *vms[ARRAY_SIZE(vm)];
        Manager manager = {.home = {.config = config, .table = {.vms = vms}}, .templates = set};
        const WirePeer peer = {.uid = uid};
        const Admission admission = {.template = template_set_find(set, "tdx"), .peer = &peer};
        _cleanup_(cvm_error_done) CvmError error = {};
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(vm); i++) {
                vm[i].platform = (char *)"tdx";
                vms[manager.home.table.n++] = &vm[i];
        }
        r = capacity_check(&manager, &facts, &admission, 1, &error);
        assert_int_equal(r, limit ? -EDQUOT : 0);
        if (!limit)
                return;
        assert_string_equal(json_member_string(error.fields, "resource"), "tdx-keyids of one user");
        assert_int_equal(json_member_int(error.fields, "limit", -1), limit);
        assert_int_equal(json_member_int(error.fields, "used", -1), 2);
        assert_int_equal(json_member_int(error.fields, "wanted", -1), 1);
}

/* One user does not take all: half of them, rounded up, or as configured. */
static void test_keys_of_one_user(void **state)
{
        const Config config = {.vcpus_per_cpu = 128},
                     two = {.vcpus_per_cpu = 128, .keys_per_uid_max = 2};

        check_quota(&config, 5, 1000, 0);
        check_quota(&config, 4, 1000, 2);
        check_quota(&two, 5, 1000, 2);
        check_quota(&two, 5, 1001, 0);
        check_quota(&two, 5, 0, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cpus),
                cmocka_unit_test(test_pools_of_hosts),
                cmocka_unit_test(test_promised),
                cmocka_unit_test(test_keys_of_one_user),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
