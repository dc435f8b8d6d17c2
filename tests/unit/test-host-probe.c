/* SPDX-License-Identifier: Apache-2.0 */
/* Replays the hosts of tests/host, a tree of files each, in a copy that the test may write to. */
#include "test.h"

#include <sys/stat.h>

#include "base/json.h"
#include "base/text.h"
#include "directory.h"
#include "host/host.h"
#include "program.h"

static char *hosts; /* the copy */

static int copy_hosts(void **state)
{
        _cleanup_free_ char *source = source_path("tests/host/.");

        hosts = directory_make();
        assert_int_equal(chmod(hosts, 0755), 0);
        program_run((const char *const[]){"/bin/cp", "-r", source, hosts, NULL});
        return 0;
}

static int remove_hosts(void **state)
{
        directory_remove(&hosts);
        return 0;
}

static char *path_in(const char *tree, const char *path)
{
        char *full = NULL;

        assert_true(asprintf(&full, "%s/%s%s", hosts, tree, path) > 0);
        return full;
}

static HostFacts *probe(const char *tree)
{
        _cleanup_free_ char *root = path_in(tree, "");
        HostFacts *facts = NULL;

        assert_int_equal(host_probe(root, &facts), 0);
        return facts;
}

static void test_facts(void **state)
{
        _cleanup_(host_facts_freep) HostFacts *snp = probe("sev-snp"), *tdx = probe("tdx"),
                                              *none = probe("does-not-exist"),
                                              *plain = probe("plain"), *off = probe("firmware-off");

        assert_string_equal(snp->cpu_vendor, "AuthenticAMD");
        assert_true(snp->has_virtualization && snp->has_kvm && snp->kvm_usable && !snp->kvm_fix);
        assert_true(snp->cpu_sev && snp->cpu_sev_es && snp->cpu_sev_snp && snp->kernel_sev_snp);
        assert_true(snp->kvm_sev && snp->kvm_sev_es && snp->kvm_sev_snp && snp->knows_sev_snp);
        assert_true(snp->has_dev_sev && snp->has_vhost_vsock && snp->has_kvm_amd);
        assert_false(snp->kvm_tdx || snp->knows_tdx || snp->has_kvm_intel || snp->in_vm);
        assert_int_equal(snp->cbitpos, 51);
        assert_true(snp->memory_total == UINT64_C(528247652) * 1024);
        assert_true(snp->memory_available == UINT64_C(501234567) * 1024);
        assert_int_equal(snp->cpus, 128);
        assert_int_equal(snp->address_bits, 48);

        assert_true(tdx->kvm_tdx && tdx->knows_tdx && tdx->kernel_tdx && tdx->kvm_usable);
        assert_false(tdx->kvm_sev || tdx->cpu_sev || tdx->has_dev_sev);
        assert_int_equal(tdx->cbitpos, 0);
        assert_int_equal(tdx->cpus, 128);

        /* what cannot be read is absent */
        assert_string_equal(none->cpu_vendor, "unknown");
        assert_false(none->has_kvm || none->kvm_usable || none->has_virtualization);
        assert_int_equal(none->memory_total, 0);
        assert_int_equal(none->cpus, 0);
        assert_int_equal(none->address_bits, 0);

        /* from /proc/cpuinfo, where CPUID does not say */
        assert_int_equal(plain->address_bits, 39);

        /* a leaf beyond the greatest one says nothing */
        assert_false(off->cpu_sev);
        assert_int_equal(off->cbitpos, 0);
}

static void test_memory_available(void **state)
{
        _cleanup_free_ char *plain = path_in("plain", "");
        _cleanup_free_ char *none = path_in("does-not-exist", "");

        assert_true(host_memory_available(plain) == UINT64_C(9000000) * 1024);
        assert_int_equal(host_memory_available(none), 0);
}

/* found and fix: a part of the text; fix NULL: the check passes. */
static const struct {
        const char *tree, *check, *found, *fix;
} cases[] = {
        {"sev-snp", "kvm", "/dev/kvm can be opened", NULL},
        {"sev-snp", "sev", "/dev/sev exists", NULL},
        {"sev-snp", "sev-es", "SEV-ES is on", NULL},
        {"sev-snp", "sev-snp", "SEV-SNP is on", NULL},
        {"sev-snp", "tdx", "CPU vendor AuthenticAMD", "Intel Xeon"},
        {"sev-snp", "vhost-vsock", "exists", NULL},
        {"sev-snp-off-in-firmware", "sev", "SEV is on", NULL},
        {"sev-snp-off-in-firmware", "sev-snp", "off in the firmware", "RMP Table"},
        {"sev-snp-no-kvm-module", "kvm", "does not exist", "modprobe kvm_amd"},
        {"sev-snp-no-kvm-module", "sev-snp", "/dev/kvm does not exist", "modprobe kvm_amd"},
        {"sev-old-kernel", "sev", "/dev/sev does not exist", "modprobe ccp"},
        {"sev-old-kernel", "sev-es", "sev_es of kvm_amd is off", "ASID Space Limit"},
        {"sev-old-kernel", "sev-snp", "not have the parameter sev_snp", "Linux 6.11"},
        {"sev-old-kernel", "vhost-vsock", "does not exist", "modprobe vhost_vsock"},
        {"tdx", "tdx", "is on", NULL},
        {"tdx", "sev-snp", "CPU vendor GenuineIntel", "EPYC of the 7003"},
        {"tdx-off-in-firmware", "tdx", "did not find TDX", "SEAM loader"},
        {"tdx-parameter-off", "tdx", "parameter tdx of kvm_intel is off", "kvm_intel.tdx=1"},
        {"plain", "kvm", "/dev/kvm can be opened", NULL},
        {"plain", "tdx", "not have the parameter tdx", "Linux 6.16"},
        {"firmware-off", "kvm", "does not exist", "VT-x (Intel) in the firmware"},
        {"firmware-off", "tdx", "/dev/kvm does not exist", "VT-x"},
        {"software-hypervisor", "kvm", "software hypervisor (module kvm_pvm)", "nested"},
        {"software-hypervisor", "sev-snp", "is itself a virtual machine", "bare-metal"},
        {"sev-snp", "sev-asids", "unknown: ", NULL},
        {"sev-snp", "nft", "nft is installed", NULL},
        {"sev-old-kernel", "nft", "can reach this host's own addresses", "install nftables"},
        {"sev-snp", "memlock", "no limit", NULL},
        {"sev-snp", "qgs", "not checked", "tdx-qgs"},
        {"sev-snp-firmware", "sev-snp", "SEV firmware 1.55.40, 3 guests", NULL},
        {"sev-snp-firmware", "sev-asids", "0 of 410 SEV ASIDs", NULL},
        {"sev-snp-firmware", "sev-es-asids", "3 of 99 SEV-ES and SEV-SNP ASIDs", NULL},
        {"sev-snp-firmware", "memlock", "at most 8M", "LimitMEMLOCK=infinity"},
        {"sev-snp-old-firmware", "sev-snp", "1.49.3, which is older than 1.51",
         "update the SEV firmware"},
        {"sev-snp-no-rmp", "sev-snp", "RMP table is not initialized", "reload kvm_amd"},
        {"sev-snp-out-of-asids", "sev-es-asids", "99 of 99", "stop an SEV-ES or SEV-SNP guest"},
        {"sev-snp-out-of-asids", "sev-snp", "SEV-SNP is on", NULL},
        {"sev-snp-smee-off", "sev-snp", "SYSCFG bit 23 is 0", "turn on SMEE"},
        {"sev-snp-no-rmp-memory", "sev-snp", "RMP_END is 0", "RMP Table"},
        {"tdx-out-of-keyids", "tdx-keyids", "48 of 48 TDX key IDs", "stop a TDX guest"},
        {"tdx-out-of-keyids", "tdx", "is on", NULL},
        {"tdx-out-of-keyids", "qgs", "vsock port 4050: answers", NULL},
        {"tdx", "qgs", "No such file or directory; vsock port 4050: Connection refused", "tdx-qgs"},
        {"tdx-tme-off", "tdx", "MSR 0x982 bit 1", "TME"},
        {"tdx-no-keyids", "tdx", "no key IDs", "TDX key split"},
        {"tdx-no-seam", "tdx", "0x1401", "SEAM loader"},
        {"tdx-mcheck", "tdx", "0xA0", "all sockets"},
        {"does-not-exist", "sev", "CPU vendor unknown", "bare-metal"},
};

static void test_checks(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(host_facts_freep) HostFacts *facts = probe(cases[i].tree);
                _cleanup_(host_check_done) HostCheck check = {};

                assert_int_equal(host_check(facts, cases[i].check, &check), 0);
                assert_string_equal(check.name, cases[i].check);
                assert_true(*check.needed);
                if (!strstr(check.found, cases[i].found))
                        fail_msg("%s %s: found '%s'", cases[i].tree, cases[i].check, check.found);
                if (check.passed != !cases[i].fix)
                        fail_msg("%s %s: passed %d", cases[i].tree, cases[i].check, check.passed);
                if (!cases[i].fix)
                        assert_null(check.fix);
                else if (!strstr(check.fix, cases[i].fix))
                        fail_msg("%s %s: fix '%s'", cases[i].tree, cases[i].check, check.fix);
        }
}

/* /dev/kvm is not enough: without vmx or svm ordinary guests hang. */
static void test_software_hypervisor(void **state)
{
        _cleanup_(host_facts_freep) HostFacts *facts = probe("software-hypervisor");

        assert_true(facts->has_kvm);
        assert_true(facts->in_vm);
        assert_false(facts->kvm_usable);
        assert_non_null(facts->kvm_fix);
        assert_int_equal(facts->cbitpos, 0);
}

/* What stands at /dev/kvm need not be of use: not allowed to this user, no KVM, not a device. */
static void test_kvm_device(void **state)
{
        _cleanup_free_ char *kvm = path_in("plain", "/dev/kvm");

        assert_int_equal(chmod(kvm, 0), 0);
        if (geteuid() == 0)
                assert_int_equal(seteuid(65534), 0);
        {
                _cleanup_(host_facts_freep) HostFacts *facts = probe("plain");

                assert_false(facts->has_kvm || facts->kvm_usable);
                assert_true(facts->has_virtualization);
                assert_non_null(strstr(facts->kvm_found, "not permitted to open"));
                assert_non_null(strstr(facts->kvm_fix, "group kvm"));
        }
        if (getuid() == 0)
                assert_int_equal(seteuid(0), 0);
        assert_int_equal(unlink(kvm), 0);
        assert_int_equal(symlink("/dev/zero", kvm), 0);
        {
                _cleanup_(host_facts_freep) HostFacts *facts = probe("plain");

                assert_false(facts->has_kvm || facts->kvm_usable);
                assert_non_null(strstr(facts->kvm_found, "does not support version 12"));
                assert_non_null(facts->kvm_fix);
        }
        assert_int_equal(unlink(kvm), 0);
        assert_int_equal(mkdir(kvm, 0700), 0);
        {
                _cleanup_(host_facts_freep) HostFacts *facts = probe("plain");

                assert_false(facts->has_kvm || facts->kvm_usable);
                assert_non_null(strstr(facts->kvm_found, "cannot be opened"));
                assert_non_null(facts->kvm_fix);
        }
        assert_int_equal(rmdir(kvm), 0);
        close(open(kvm, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void test_names(void **state)
{
        _cleanup_(host_facts_freep) HostFacts *facts = probe("plain");
        HostCheck check = {};
        size_t n = 0;

        for (const char *const *name = host_check_names(); *name; name++, n++) {
                assert_int_equal(host_check(facts, *name, &check), 0);
                host_check_done(&check);
        }
        assert_int_equal(n, 12);
        assert_int_equal(host_check(facts, "sev-", &check), -ENOENT);
        assert_null(check.name);
}

static void test_list(void **state)
{
        _cleanup_(host_facts_freep) HostFacts *facts = probe("plain");
        _cleanup_(host_check_list_done) HostCheckList list = {};
        _cleanup_json_ json_object *array = NULL;
        HostCheck check;

        assert_int_equal(host_check(facts, "kvm", &check), 0);
        assert_int_equal(host_check_list_add(&list, &check), 0);
        assert_null(check.name);
        assert_int_equal(host_check_list_add_new(&list, "igvm", "0x309", "\xff", false, "fix it"),
                         0);
        array = host_check_list_to_json(&list);
        assert_int_equal(json_object_array_length(array), 2);
        assert_true(json_member_bool(json_object_array_get_idx(array, 0), "passed", false));
        assert_null(json_member(json_object_array_get_idx(array, 0), "fix"));
        assert_string_equal(json_text(json_object_array_get_idx(array, 1)),
                            "{\"name\":\"igvm\",\"found\":\"0x309\",\"needed\":\"\xef\xbf\xbd\","
                            "\"passed\":false,\"fix\":\"fix it\"}");
}

/* This machine, whatever it is: the probe holds together. */
static void test_here(void **state)
{
        _cleanup_(host_facts_freep) HostFacts *facts = NULL;

        assert_int_equal(host_probe("", &facts), 0);
        assert_int_equal(facts->cpus, sysconf(_SC_NPROCESSORS_ONLN));
        assert_true(facts->memory_total > 0);
        assert_true(facts->memory_available > 0);
        assert_true(facts->memory_available <= facts->memory_total);
        assert_true(facts->has_kvm || !facts->kvm_usable);
        assert_true(facts->kvm_usable == !facts->kvm_fix);
        assert_non_null(facts->kvm_found);
}

static void test_vfio(void **state)
{
        static const struct {
                const char *device, *found, *fix; /* fix NULL: it passes */
        } devices[] = {
                {"0000:41:00.0", "IOMMU group 42", NULL},
                {"0000:42:00.0", "driver nvidia", "set-override 0000:42:00.0 vfio-pci"},
                {"0000:43:00.0", "no driver", "bind it to vfio-pci"},
                {"0000:44:00.0", "snd_hda_intel is bound to 0000:44:00.1",
                 "set-override 0000:44:00.1"},
                {"0000:45:00.0", "IOMMU group 46", NULL},
                {"0000:46:00.0", "without an IOMMU group", "turn on the IOMMU"},
                {"0000:47:00.0", "no PCI device", "lspci"},
        };
        _cleanup_free_ char *root = path_in("gpus", "");

        for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
                _cleanup_(host_check_done) HostCheck check = {};
                _cleanup_free_ char *path = NULL;

                assert_int_equal(host_check_vfio(root, devices[i].device, &path, &check), 0);
                if (!strstr(check.found, devices[i].found))
                        fail_msg("%s: %s", devices[i].device, check.found);
                assert_int_equal(check.passed, !devices[i].fix);
                assert_int_equal(path != NULL, !devices[i].fix);
                if (devices[i].fix && !strstr(check.fix, devices[i].fix))
                        fail_msg("%s: %s", devices[i].device, check.fix);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vfio),
                cmocka_unit_test(test_facts),
                cmocka_unit_test(test_memory_available),
                cmocka_unit_test(test_checks),
                cmocka_unit_test(test_software_hypervisor),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_kvm_device),
                cmocka_unit_test(test_here),
        };

        return cmocka_run_group_tests(tests, copy_hosts, remove_hosts);
}
