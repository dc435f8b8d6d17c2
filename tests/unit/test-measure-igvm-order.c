/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of small files: their values were made by QEMU's own loader (10.2.2, backends/igvm.c),
 * whose calls were recorded. */
#include "test.h"

#include "measure-images.h"
#include "measure/snp_igvm.h"

#define SNP 1u
#define VMSA 0xfffffffff000ull

static void add_page(ImageIgvm *igvm, uint64_t gpa, int fill)
{
        image_igvm_page(igvm, SNP, gpa, fill, 0, IGVM_DATA_NORMAL);
}

static void add_insert(ImageIgvm *igvm)
{
        image_igvm_insert(igvm, SNP, 0x101000, 0);
}

static void add_context(ImageIgvm *igvm)
{
        uint8_t page[4096];

        image_vmsa(page);
        image_igvm_vp(igvm, SNP, VMSA, 0, page);
}

static void make_kinds(ImageIgvm *igvm)
{
        add_page(igvm, 0x100000, 1);
        add_page(igvm, 0x101000, 2);
        add_page(igvm, 0x102000, -1);
        image_igvm_page(igvm, SNP, 0x103000, -1, 0, IGVM_DATA_SECRETS);
        image_igvm_page(igvm, SNP, 0x104000, -1, 0, IGVM_DATA_CPUID);
        add_context(igvm);
}

static void make_insert_first(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 0, 0x1000);
        add_insert(igvm);
        add_page(igvm, 0x100000, 1);
        add_page(igvm, 0x102000, 2);
        add_context(igvm);
}

static void make_insert_between(ImageIgvm *igvm)
{
        add_page(igvm, 0x100000, 1);
        image_igvm_area(igvm, 0, 0x1000);
        add_insert(igvm);
        add_page(igvm, 0x102000, 2);
        add_context(igvm);
}

static void make_insert_last(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 0, 0x1000);
        add_page(igvm, 0x100000, 1);
        add_page(igvm, 0x102000, 2);
        add_insert(igvm);
        add_context(igvm);
}

static void make_large_page(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0x200000, -1, 1, IGVM_DATA_NORMAL);
        add_context(igvm);
}

static void make_wide_masks(ImageIgvm *igvm)
{
        image_igvm_page(igvm, 0x17, 0x100000, 1, 0, IGVM_DATA_NORMAL);
        image_igvm_page(igvm, 0x10, 0x101000, 2, 0, IGVM_DATA_NORMAL);
        add_context(igvm);
}

static void make_late_page(ImageIgvm *igvm)
{
        add_page(igvm, 0x100000, 1);
        add_context(igvm);
        add_page(igvm, 0x101000, 2);
}

static void measure(const Image *image, HashDigest *ret)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        _cleanup_(cvm_error_done) CvmError error = {};
        Register *reg = measurement_add(measurement, "LaunchDigest", HASH_SHA384);
        uint64_t features;
        Igvm igvm;

        assert_int_equal(igvm_parse(image_bytes(image), "igvm", &igvm, &error), 0);
        assert_int_equal(snp_igvm_measure(&(SnpIgvm){.igvm = &igvm, .name = "igvm", .cpus = 1}, reg,
                                          NULL, &features, &error),
                         0);
        *ret = reg->value;
}

static void test_vectors(void **state)
{
        static const struct {
                void (*make)(ImageIgvm *igvm);
                const char *digest;
        } cases[] = {
                {make_kinds, "de45dcccb9afe4a06dcceb0d48ff62a6d49aae8d26bbef4608bb6afc398adeed"
                             "1befeb54059377025da41d41c78ac1eb"},
                {make_insert_first, "abaf8ce42a8e68e4194c239728aab416e91b15b3a6f6ea9dbcea0ad2f32be"
                                    "4f1327954e7f56a42a82029ddf3906a56fb"},
                {make_insert_between, "abaf8ce42a8e68e4194c239728aab416e91b15b3a6f6ea9dbcea0ad2f32"
                                      "be4f1327954e7f56a42a82029ddf3906a56fb"},
                {make_insert_last, "a185d70e2422caab78d327bfd0e2917a4628c4b2ee08f905e3e86bae12b1c4"
                                   "77797ab3bbefcb97a444cf972c83e0c5ea"},
                {make_large_page, "c854a71d05764fa39e9605aa8dec03c40f845797173909260dac82fc057aa61b"
                                  "a1f33eed22516c5a0d5aeaf698410f31"},
                {make_wide_masks, "f7f41518aa17aae540702d039c43299f9a55e00da9001e4875c1073312bb4311"
                                  "f4f909fa7f1188fcf1b8b2d35b9dfc03"},
                {make_late_page, "2d2d1e9b516845b7bfc8d5e27d7464f6e3dae589f2a3ca356002db114fc70dd2d"
                                 "a3035ad7d7d62e31716781e903fc675"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                ImageIgvm making = {};
                HashDigest found;
                char hex[97];
                Image image;

                image_igvm_platform(&making, SNP, 2, IGVM_PLATFORM_SEV_SNP);
                image_igvm_policy(&making, SNP, 0x30000);
                cases[i].make(&making);
                image = image_igvm_finish(&making, 1);
                measure(&image, &found);
                for (size_t j = 0; j < 48; j++)
                        snprintf(hex + 2 * j, 3, "%02x", found.bytes[j]);
                assert_string_equal(hex, cases[i].digest);
                image_done(&image);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vectors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
