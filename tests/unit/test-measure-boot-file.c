/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest cannot boot from is refused before QEMU is started. */
#include "test.h"

#include "base/json.h"
#include "measure-images.h"
#include "measure/boot_file.h"
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
        static const uint8_t vmsa[4096];
        ImageIgvm making = {};

        image_igvm_platform(&making, SNP, vtl, IGVM_PLATFORM_SEV_SNP);
        image_igvm_platform(&making, TDX, 2, IGVM_PLATFORM_TDX);
        image_igvm_policy(&making, TDX, 0x99);
        if (policy >= 0)
                image_igvm_policy(&making, SNP, (uint64_t)policy);
        image_igvm_page(&making, SNP, 0x1000, 1, 0, 0);
        if (type)
                image_igvm_header(&making, type, (uint8_t[8]){}, 8);
        image_igvm_vp(&making, SNP, VMSA, 0, vmsa);
        return image_igvm_finish(&making, 1);
}

/* reason NULL: taken. */
static void assert_igvm(const Image *image, const char *guest, const QemuProbe *qemu,
                        const char *reason, PlanIgvm *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        PlanIgvm plan = {};
        int r = boot_check_igvm(image_bytes(image), "igvm", guest, qemu, &plan, &error);

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
                {0x3ff, "11.0.0", "device-plane", false},
                {0x3ff | IGVM_OPTIONAL, "11.0.0", "hpet", true},
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
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                ImageOvmf ovmf = cases[i].ovmf;
                Image image;
                int r;

                ovmf.size = 0x4000;
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
        static const uint8_t zeros[8192];

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
                cmocka_unit_test(test_what_it_says), cmocka_unit_test(test_headers),
                cmocka_unit_test(test_broken),       cmocka_unit_test(test_firmware),
                cmocka_unit_test(test_no_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
