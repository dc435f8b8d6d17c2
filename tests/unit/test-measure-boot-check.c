/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest cannot boot from is refused before QEMU is started. */
#include "test.h"

#include "base/json.h"
#include "measure-images.h"
#include "measure/boot_check.h"
#include "measure/ovmf.h"

#define SNP 1u
#define TDX 2u
#define VMSA 0xfffffffff000ull

static QemuProbe *probe(const char *version, const char *machine_option)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_object *object = NULL;
        QemuProbe *ret = NULL;

        assert_true(asprintf(&text,
                             "{\"version\":\"%s\",\"package\":\"\",\"objects\":{},\"devices\":{},"
                             "\"cpus\":{},\"machines\":{\"q35\":{\"%s\":null}}}",
                             version, machine_option) > 0);
        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        assert_int_equal(qemu_probe_parse(object, &ret), 0);
        return ret;
}

/* A page and a VP context for SEV-SNP, with a header of this type (0: none) between. */
static Image igvm(uint8_t vtl, int64_t policy, uint32_t type)
{
        uint8_t vmsa[4096];
        ImageIgvm making = {};

        image_vmsa(vmsa);
        image_igvm_platform(&making, SNP, vtl, IGVM_PLATFORM_SEV_SNP);
        image_igvm_platform(&making, TDX, 2, IGVM_PLATFORM_TDX);
        image_igvm_policy(&making, TDX, 0x99);
        if (policy >= 0)
                image_igvm_policy(&making, SNP, (uint64_t)policy);
        image_igvm_page(&making, SNP, 0x1000, 1, 0, 0);
        image_igvm_area(&making, 0, 0x1000);
        if (type)
                image_igvm_parameter(&making, type, 0, 0);
        image_igvm_vp(&making, SNP, VMSA, 0, vmsa);
        return image_igvm_finish(&making, 1);
}

/* reason NULL: taken. */
static void assert_igvm(const Image *image, const char *guest, const QemuProbe *qemu,
                        const char *reason, PlanIgvm *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        PlanIgvm plan = {};
        int r = boot_check_igvm(image_bytes(image), "igvm", guest, qemu, 1, &plan, &error);

        if (reason && !(r == -EBADMSG && error.id == CVM_ERROR_ARTIFACT_INVALID &&
                        strstr(json_member_string(error.fields, "reason"), reason)))
                fail_msg("%s: %d %s", reason, r, json_text(error.fields));
        if (!reason && r < 0)
                fail_msg("%s", json_text(error.fields));
        if (ret)
                *ret = plan;
}

static void test_what_it_says(void **state)
{
        Image service = igvm(0, 0xb0000, 0), paravisor = igvm(2, -1, 0);
        PlanIgvm plan;

        assert_igvm(&service, "sev-snp", NULL, NULL, &plan);
        assert_true(plan.service && plan.has_policy && plan.policy == 0xb0000);
        assert_igvm(&service, "tdx", NULL, NULL, &plan);
        assert_true(!plan.service && plan.has_policy && plan.policy == 0x99);
        assert_igvm(&paravisor, "sev-snp", NULL, NULL, &plan);
        assert_true(!plan.service && !plan.has_policy);
        assert_igvm(&paravisor, "native", NULL, "for sev-snp, tdx, not for native", NULL);
        image_done(&service);
        image_done(&paravisor);
}

/* A native platform has VTL 0 alone, whether or not the guest's firmware is in the file. */
static void test_native(void **state)
{
        for (uint8_t vtl = 0; vtl <= 2; vtl += 2) {
                ImageIgvm making = {};
                PlanIgvm plan;
                Image image;

                image_igvm_platform(&making, 1, vtl, IGVM_PLATFORM_NATIVE);
                image_igvm_page(&making, 1, 0xfffff000, 1, 0, 0);
                image = image_igvm_finish(&making, 1);
                assert_igvm(&image, "native", NULL, NULL, &plan);
                assert_true(!plan.service && !plan.has_policy);
                image_done(&image);
        }
}

static void test_headers(void **state)
{
        static const struct {
                uint32_t type;
                const char *version, *option;
                bool loads;
        } cases[] = {
                {IGVM_ENVIRONMENT_INFO, "10.2.1", "hpet", true},
                {IGVM_MADT, "10.2.1", "hpet", false},
                {IGVM_MADT, "11.0.0", "hpet", true},
                {IGVM_MADT, "10.2.1", "device-plane", true},
                {IGVM_DEVICE_TREE, "11.0.0", "hpet", false},
                {IGVM_DEVICE_TREE, "11.0.0", "device-plane", true},
                {IGVM_SRAT, "11.0.0", "device-plane", false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(qemu_probe_unrefp) QemuProbe *qemu =
                        probe(cases[i].version, cases[i].option);
                Image image = igvm(2, -1, cases[i].type);

                assert_igvm(&image, "sev-snp", qemu, cases[i].loads ? NULL : "does not load", NULL);
                /* of a QEMU that could not be asked something else is wrong */
                assert_igvm(&image, "sev-snp", NULL, NULL, NULL);
                image_done(&image);
        }
}

/* QEMU's library refuses them, whichever QEMU it is. */
static void test_headers_that_no_qemu_takes(void **state)
{
        static const struct {
                uint32_t type;
                const char *reason;
        } cases[] = {
                {0x3ff, "of an unknown type (type 0x3ff) at offset 0x"},
                {0x3ff | IGVM_OPTIONAL, "(type 0x800003ff) at offset 0x"},
                {IGVM_VP_COUNT | IGVM_OPTIONAL, "VP_COUNT_PARAMETER (type 0x80000307)"},
                {IGVM_CORIM_DOCUMENT | IGVM_OPTIONAL, "CORIM_DOCUMENT (type 0x80000104)"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(qemu_probe_unrefp) QemuProbe *qemu = probe("11.0.0", "device-plane");
                Image image = igvm(2, -1, cases[i].type);

                assert_igvm(&image, "sev-snp", qemu, cases[i].reason, NULL);
                assert_igvm(&image, "sev-snp", NULL, cases[i].reason, NULL);
                image_done(&image);
        }
}

static void make_vmsa(ImageIgvm *making, size_t offset, uint64_t value, uint16_t index)
{
        uint8_t vmsa[4096];

        image_vmsa(vmsa);
        le64_put(vmsa + offset, value);
        image_igvm_vp(making, SNP, VMSA, index, vmsa);
}

/* What QEMU's sev_apply_cpu_context() copies: offset and size, by table B-4 of AMD's manual. */
static bool is_copied(size_t at)
{
        static const uint16_t fields[][2] = {
                {0x0d0, 8} /* efer */,         {0x148, 8} /* cr4 */,   {0x150, 8} /* cr3 */,
                {0x158, 8} /* cr0 */,          {0x160, 8} /* dr7 */,   {0x168, 8} /* dr6 */,
                {0x170, 8} /* rflags */,       {0x178, 8} /* rip */,   {0x1d8, 8} /* rsp */,
                {0x1f8, 8} /* rax */,          {0x268, 8} /* g_pat */, {0x308, 8} /* rcx */,
                {0x310, 8} /* rdx */,          {0x318, 8} /* rbx */,   {0x328, 8} /* rbp */,
                {0x330, 8} /* rsi */,          {0x338, 8} /* rdi */,   {0x340, 64} /* r8 to r15 */,
                {0x3b0, 8} /* sev_features */, {0x3e8, 8} /* xcr0 */,  {0x408, 4} /* mxcsr */,
                {0x410, 2} /* x87_fcw */,
        };

        if (at < 10 * 16) /* es to tr */
                return true;
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                if (at >= fields[i][0] && at < (size_t)fields[i][0] + fields[i][1])
                        return true;
        return false;
}

static void assert_vmsa(const uint8_t *vmsa, const char *reason)
{
        ImageIgvm making = {};
        Image image;

        image_igvm_platform(&making, SNP, 2, IGVM_PLATFORM_SEV_SNP);
        image_igvm_vp(&making, SNP, VMSA, 0, vmsa);
        image = image_igvm_finish(&making, 1);
        assert_igvm(&image, "sev-snp", NULL, reason, NULL);
        image_done(&image);
}

/* A value in any byte that QEMU loses is refused, and named. */
static void test_what_kvm_cannot_be_given(void **state)
{
        uint8_t vmsa[4096];
        char reason[80];

        for (size_t at = 0; at < sizeof(vmsa); at++) {
                image_vmsa(vmsa);
                vmsa[at] |= 0x80;
                snprintf(reason, sizeof(reason), "has a value at 0x%zx, %s, which QEMU", at,
                         at < 0x670 ? "in a field" : "after the last field");
                if ((at & ~7ul) == 0x78 || (at & ~7ul) == 0x98) /* LDTR.base and TR.base */
                        assert_vmsa(vmsa, "TR.base (at 0x98)");
                else
                        assert_vmsa(vmsa, is_copied(at) ? NULL : reason);
        }
        image_vmsa(vmsa);
        vmsa[0x78] = vmsa[0x98] = 1;
        assert_vmsa(vmsa, NULL);
        vmsa[0x3b0] = 0x28;
        assert_vmsa(vmsa, "lacks SEV-SNP");
}

static void test_vcpus(void **state)
{
        static const struct {
                uint16_t indexes[2];
                uint32_t cpus;
                const char *reason;
        } cases[] = {{{0, 1}, 1, "has VP contexts of 2 vCPUs, but the CVM has 1"},
                     {{0, 1}, 2, NULL},
                     {{0, 1}, 0, NULL},
                     {{0, 0}, 2, "in order"},
                     {{1, 0}, 2, "in order"}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                ImageIgvm making = {};
                PlanIgvm plan;
                Image image;
                int r;

                image_igvm_platform(&making, SNP, 2, IGVM_PLATFORM_SEV_SNP);
                for (size_t j = 0; j < 2; j++)
                        make_vmsa(&making, 0xd0, 0x1000, cases[i].indexes[j]);
                image = image_igvm_finish(&making, 1);
                r = boot_check_igvm(image_bytes(&image), "igvm", "sev-snp", NULL, cases[i].cpus,
                                    &plan, &error);
                assert_int_equal(r, cases[i].reason ? -EBADMSG : 0);
                if (cases[i].reason)
                        assert_non_null(strstr(json_member_string(error.fields, "reason"),
                                               cases[i].reason));
                image_done(&image);
        }
}

/* Registers that are not a VMSA: QEMU takes those of the first vCPU. */
static void test_native_context(void **state)
{
        static const uint8_t registers[4096] = {1, 2, 3};

        for (uint16_t index = 0; index < 2; index++) {
                ImageIgvm making = {};
                Image image;

                image_igvm_platform(&making, SNP, 0, IGVM_PLATFORM_NATIVE);
                image_igvm_vp(&making, SNP, 0, index, registers);
                image = image_igvm_finish(&making, 1);
                assert_igvm(&image, "native", NULL, index ? "only that of vCPU 0" : NULL, NULL);
                image_done(&image);
        }
}

static void test_broken(void **state)
{
        Image image = igvm(2, -1, 0);
        ImageIgvm making = {};

        image.size--;
        assert_igvm(&image, "sev-snp", NULL, "truncated", NULL);
        image.size++;
        image.data[40] ^= 1;
        assert_igvm(&image, "sev-snp", NULL, "checksum", NULL);
        image_done(&image);
        image_igvm_platform(&making, SNP, 2, IGVM_PLATFORM_SEV_SNP);
        image_igvm_page(&making, SNP, 0x1000, 1, 0, 0);
        image_igvm_page(&making, SNP, 0x1000, 1, 0, 0);
        image = image_igvm_finish(&making, 1);
        assert_igvm(&image, "sev-snp", NULL, "overlap at 0x1000", NULL);
        image_done(&image);
}

static void test_firmware(void **state)
{
        static const uint32_t hashes[][3] = {{0x800000, 0x1000, OVMF_SECTION_KERNEL_HASHES}};
        static const uint32_t none[][3] = {{0x800000, 0x1000, OVMF_SECTION_SEC_MEMORY}};
        static const uint64_t tdx[][6] = {{0, 0x1000, 0xfffff000, 0x1000, 0, 1}};
        const struct {
                ImageOvmf ovmf;
                const char *guest, *reason;
        } cases[] = {
                {{.reset_eip = 1, .hashes_gpa = 0x800c00}, "sev", NULL},
                {{.hashes_gpa = 0x800c00}, "sev", NULL},
                {{.reset_eip = 1}, "sev", "kernel hashes"},
                {{.reset_eip = 1, .hashes_gpa = 0x800c00}, "sev-es", NULL},
                {{.hashes_gpa = 0x800c00}, "sev-es", "AP reset"},
                {{.reset_eip = 1}, "sev-es", "kernel hashes"},
                {{.reset_eip = 1, .hashes_gpa = 0x800c00}, "sev-snp", "no SEV metadata"},
                {{.reset_eip = 1, .hashes_gpa = 0x800c00, .sev = none, .n_sev = 1},
                 "sev-snp",
                 "kernel hashes"},
                {{.reset_eip = 1, .hashes_gpa = 0x800c00, .sev = hashes, .n_sev = 1},
                 "sev-snp",
                 NULL},
                {{.reset_eip = 1}, "tdx", "no TDX metadata"},
                {{.tdx = tdx, .n_tdx = 1}, "tdx", NULL},
                {{.reset_eip = 1}, "native", NULL},
                {{.reset_eip = 1}, NULL, NULL},
                {{.size = 0x14000}, NULL, "64 KiB"},
                {{.size = 0xf000, .reset_eip = 1, .hashes_gpa = 0x800c00}, "sev-es", "64 KiB"},
                {{.size = 0x14000, .tdx = tdx, .n_tdx = 1}, "tdx", "64 KiB"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                ImageOvmf ovmf = cases[i].ovmf;
                Image image;
                int r;

                if (!ovmf.size)
                        ovmf.size = 0x10000;
                image = image_ovmf(&ovmf);
                r = boot_check_firmware(image_bytes(&image), "firmware", cases[i].guest, &error);
                assert_int_equal(r, cases[i].reason ? -EBADMSG : 0);
                if (cases[i].reason &&
                    !strstr(json_member_string(error.fields, "reason"), cases[i].reason))
                        fail_msg("%zu: %s", i, json_text(error.fields));
                image_done(&image);
        }
}

static void test_no_table(void **state)
{
        static const char *const guests[] = {"sev", "sev-es", "sev-snp", "tdx"};
        static const uint8_t zeros[65536];

        for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                assert_int_equal(boot_check_firmware((Bytes){zeros, sizeof(zeros)}, "firmware",
                                                     guests[i], &error),
                                 -EBADMSG);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_it_says),
                cmocka_unit_test(test_native),
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_headers_that_no_qemu_takes),
                cmocka_unit_test(test_what_kvm_cannot_be_given),
                cmocka_unit_test(test_vcpus),
                cmocka_unit_test(test_native_context),
                cmocka_unit_test(test_broken),
                cmocka_unit_test(test_firmware),
                cmocka_unit_test(test_no_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
