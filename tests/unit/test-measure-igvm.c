/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/json.h"
#include "measure-images.h"
#include "measure/igvm_ranges.h"
#include "measure/igvm_summary.h"
#include "measure/snp_igvm.h"

#define NATIVE 1u
#define SNP 2u
#define TDX 4u
#define VMSA 0xfffffffff000ull

static uint8_t vmsa_page[4096];

/* All kinds of pages, several platforms, an area of three pages, a page of 2 MiB. */
static Image full_image(uint32_t version)
{
        ImageIgvm igvm = {};

        image_igvm_platform(&igvm, NATIVE, 0, IGVM_PLATFORM_NATIVE);
        image_igvm_platform(&igvm, SNP, 2, IGVM_PLATFORM_SEV_SNP);
        image_igvm_platform(&igvm, TDX, 0, IGVM_PLATFORM_TDX);
        image_igvm_policy(&igvm, SNP, 0x30000);
        image_igvm_header(&igvm, IGVM_REQUIRED_MEMORY, (uint8_t[24]){[8] = SNP, [13] = 0x10}, 24);
        image_igvm_area(&igvm, 7, 0x3000);
        image_igvm_parameter(&igvm, IGVM_VP_COUNT, 7, 0x2ffc);
        image_igvm_insert(&igvm, SNP, 0x20000, 7);
        image_igvm_page(&igvm, SNP | NATIVE, 0x10000, 0x11, 0, IGVM_DATA_NORMAL);
        image_igvm_page(&igvm, TDX, 0x10000, 0x99, 0, IGVM_DATA_NORMAL);
        image_igvm_page(&igvm, SNP, 0x11000, 0x22, 0, IGVM_DATA_NORMAL);
        image_igvm_page(&igvm, SNP, 0x12000, -1, 0, IGVM_DATA_NORMAL);
        image_igvm_page(&igvm, SNP, 0x13000, 0x33, 2, IGVM_DATA_NORMAL);
        image_igvm_page(&igvm, SNP, 0x14000, -1, 0, IGVM_DATA_SECRETS);
        image_igvm_page(&igvm, SNP, 0x15000, 0x44, 0, IGVM_DATA_CPUID);
        image_igvm_page(&igvm, SNP, 0x16000, -1, 0, IGVM_DATA_CPUID_XF);
        for (uint64_t i = 0; i < 16; i++)
                image_igvm_page(&igvm, SNP, 0x200000 + 4096 * i, 0x55, 0, IGVM_DATA_NORMAL);
        image_igvm_page(&igvm, SNP, 0x400000, -1, 1, IGVM_DATA_NORMAL);
        image_igvm_vp(&igvm, SNP, VMSA, 0, vmsa_page);
        return image_igvm_finish(&igvm, version);
}

static int parse(const Image *image, Igvm *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = igvm_parse(image_bytes(image), "igvm", ret, &error);

        assert_int_equal(r < 0, cvm_error_is_set(&error));
        if (r < 0)
                assert_int_equal(error.id, CVM_ERROR_ARTIFACT_INVALID);
        return r;
}

static int measure(const Image *image, uint32_t cpus, HashDigest *first, HashDigest *every)
{
        _cleanup_(measurement_freep) Measurement *a = measurement_new(), *b = measurement_new();
        _cleanup_(cvm_error_done) CvmError error = {};
        Register *one = measurement_add(a, "LaunchDigest", HASH_SHA384);
        Register *all = measurement_add(b, "LaunchDigestAllVcpus", HASH_SHA384);
        uint64_t features;
        Igvm igvm;
        int r;

        assert_int_equal(parse(image, &igvm), 0);
        r = snp_igvm_measure(
                &(SnpIgvm){.igvm = &igvm, .name = "igvm", .cpus = cpus, .cpu_signature = 0x800f12},
                one, every ? all : NULL, &features, &error);
        assert_int_equal(r < 0, cvm_error_is_set(&error));
        if (r == 0 && first)
                *first = one->value;
        if (r == 0 && every)
                *every = all->value;
        return r;
}

/* The chain again, straight from the document. fill -1: contents are not measured. */
static void chain(HashDigest *ld, uint8_t type, uint64_t gpa, int fill, const uint8_t *page)
{
        uint8_t info[112] = {}, contents[4096];
        HashDigest digest;

        memcpy(info, ld->bytes, 48);
        if (fill >= 0 || page) {
                memset(contents, fill, sizeof(contents));
                assert_int_equal(
                        hash_bytes(HASH_SHA384, page ?: contents, sizeof(contents), &digest), 0);
                memcpy(info + 48, digest.bytes, 48);
        }
        info[96] = 0x70;
        info[98] = type;
        for (int i = 0; i < 8; i++)
                info[104 + i] = (uint8_t)(gpa >> 8 * i);
        assert_int_equal(hash_bytes(HASH_SHA384, info, sizeof(info), ld), 0);
}

static HashDigest full_digest(void)
{
        HashDigest ld = {.algorithm = HASH_SHA384};

        for (uint64_t i = 0; i < 3; i++)
                chain(&ld, 4, 0x20000 + 4096 * i, -1, NULL);
        chain(&ld, 1, 0x10000, 0x11, NULL);
        chain(&ld, 1, 0x11000, 0x22, NULL);
        chain(&ld, 1, 0x12000, 0, NULL);
        chain(&ld, 4, 0x13000, -1, NULL);
        chain(&ld, 5, 0x14000, -1, NULL);
        chain(&ld, 6, 0x15000, -1, NULL);
        chain(&ld, 6, 0x16000, -1, NULL);
        for (uint64_t i = 0; i < 16; i++)
                chain(&ld, 1, 0x200000 + 4096 * i, 0x55, NULL);
        for (uint64_t i = 0; i < 512; i++)
                chain(&ld, 1, 0x400000 + 4096 * i, 0, NULL);
        chain(&ld, 2, VMSA, -1, vmsa_page);
        return ld;
}

static void test_digest(void **state)
{
        for (uint32_t version = 1; version <= 2; version++) {
                Image image = full_image(version);
                HashDigest found, expected = full_digest();

                assert_int_equal(measure(&image, 1, &found, NULL), 0);
                assert_memory_equal(found.bytes, expected.bytes, 48);
                image_done(&image);
        }
}

static void test_every_vcpu(void **state)
{
        Image image = full_image(1);
        HashDigest first, every, expected = full_digest();
        uint8_t reset[4096];

        assert_int_equal(measure(&image, 3, &first, &every), 0);
        assert_memory_equal(first.bytes, expected.bytes, 48);
        vmsa_fill(&(VmsaState){.eip = VMSA_BSP_EIP,
                               .cpu_signature = 0x800f12,
                               .features = le64_get(vmsa_page + 0x3b0)},
                  reset);
        assert_int_equal(le64_get(reset + 0x3b0), 0x21);
        chain(&expected, 2, VMSA, -1, reset);
        chain(&expected, 2, VMSA, -1, reset);
        assert_memory_equal(every.bytes, expected.bytes, 48);
        image_done(&image);
}

/* The file has those of two of three vCPUs: a host that measures the first only sees one
 * of them. */
static void test_second_vmsa(void **state)
{
        HashDigest first, every, expected = {.algorithm = HASH_SHA384};
        uint8_t second[4096], reset[4096];
        ImageIgvm making = {};
        Image image;

        image_vmsa(second);
        le64_put(second + 0x3b0, 0x1);
        image_igvm_platform(&making, SNP, 2, IGVM_PLATFORM_SEV_SNP);
        image_igvm_page(&making, SNP, 0x10000, 1, 0, IGVM_DATA_NORMAL);
        image_igvm_vp(&making, SNP, VMSA, 0, vmsa_page);
        image_igvm_vp(&making, SNP, VMSA, 1, second);
        image = image_igvm_finish(&making, 1);
        assert_int_equal(measure(&image, 1, NULL, NULL), -EBADMSG);
        assert_int_equal(measure(&image, 3, &first, &every), 0);
        chain(&expected, 1, 0x10000, 1, NULL);
        chain(&expected, 2, VMSA, -1, vmsa_page);
        assert_memory_equal(first.bytes, expected.bytes, 48);
        chain(&expected, 2, VMSA, -1, second);
        vmsa_fill(&(VmsaState){.eip = VMSA_BSP_EIP, .cpu_signature = 0x800f12, .features = 0x21},
                  reset);
        chain(&expected, 2, VMSA, -1, reset);
        assert_memory_equal(every.bytes, expected.bytes, 48);
        image_done(&image);
}

/* A byte of a page of the platform changes the digest; of another platform's, or that is not
 * measured, it does not. Data stand in the order in which they were added. */
static void test_every_page(void **state)
{
        static const struct {
                size_t page;
                bool measured;
        } cases[] = {{0, true},  {1, false}, {2, true}, {3, false},
                     {4, false}, {5, true},  {20, true}};
        Image image = full_image(1);
        HashDigest before, after;

        assert_int_equal(measure(&image, 1, &before, NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                for (size_t at = 0; at < 4096; at += 4095) {
                        size_t offset = IMAGE_IGVM_DATA + 4096 * cases[i].page + at;

                        image.data[offset] ^= 1;
                        assert_int_equal(measure(&image, 1, &after, NULL), 0);
                        image.data[offset] ^= 1;
                        assert_int_equal(memcmp(&before, &after, sizeof(before)) != 0,
                                         cases[i].measured);
                }
        image_done(&image);
}

static void test_summary(void **state)
{
        Image image = full_image(1);
        _cleanup_json_ json_object *summary = NULL;
        json_object *platforms, *snp, *pages;
        Igvm igvm;

        assert_int_equal(parse(&image, &igvm), 0);
        summary = igvm_summary(&igvm);
        platforms = json_member(summary, "platforms");
        assert_int_equal(json_object_array_length(platforms), 3);
        snp = json_object_array_get_idx(platforms, 1);
        assert_string_equal(json_member_string(snp, "platform"), "sev-snp");
        assert_string_equal(json_member_string(snp, "policy"), "0x30000");
        assert_string_equal(json_member_string(snp, "mode"), "paravisor");
        assert_string_equal(json_member_string(snp, "lowest"), "0x10000");
        assert_string_equal(json_member_string(snp, "highest"), "0x600000");
        assert_int_equal(json_member_int(snp, "vmsas", 0), 1);
        pages = json_member(snp, "pages");
        assert_int_equal(json_member_int(pages, "data", 0), 2 + 16);
        assert_int_equal(json_member_int(pages, "zeros", 0), 1 + 512);
        assert_int_equal(json_member_int(pages, "unmeasured", 0), 1);
        assert_int_equal(json_member_int(pages, "secrets", 0), 1);
        assert_int_equal(json_member_int(pages, "cpuid", 0), 2);
        assert_int_equal(json_member_int(pages, "parameters", 0), 3);
        assert_int_equal(json_member_int(json_member(summary, "headers"), "PAGE_DATA", 0), 9 + 16);
        assert_int_equal(json_object_array_length(json_member(summary, "notLoadable")), 0);
        image_done(&image);
}

static void assert_not_loadable(json_object *refused, size_t i, const char *type, const char *name)
{
        json_object *entry = json_object_array_get_idx(refused, i);

        assert_string_equal(json_member_string(entry, "type"), type);
        if (name)
                assert_string_equal(json_member_string(entry, "name"), name);
        else
                assert_null(json_member(entry, "name"));
}

/* They have no effect on the digest: a QEMU that loads them measures the same. */
static void test_not_loadable(void **state)
{
        static const uint32_t types[] = {IGVM_MADT, IGVM_DEVICE_TREE};
        ImageIgvm making = {};
        _cleanup_json_ json_object *summary = NULL;
        json_object *refused;
        Image image;
        Igvm igvm;

        image_igvm_platform(&making, SNP, 0, IGVM_PLATFORM_SEV_SNP);
        image_igvm_header(&making, IGVM_CORIM_DOCUMENT, (uint8_t[16]){SNP}, 16);
        image_igvm_area(&making, 0, 0x1000);
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                for (size_t n = 0; n < 2; n++)
                        image_igvm_parameter(&making, types[i], 0, 0);
        image_igvm_vp(&making, SNP, VMSA, 0, vmsa_page);
        image = image_igvm_finish(&making, 1);
        assert_int_equal(parse(&image, &igvm), 0);
        summary = igvm_summary(&igvm);
        refused = json_member(summary, "notLoadable");
        assert_int_equal(json_object_array_length(refused), 3);
        assert_not_loadable(refused, 0, "0x104", "CORIM_DOCUMENT");
        assert_not_loadable(refused, 1, "0x309", "MADT");
        assert_not_loadable(refused, 2, "0x312", "DEVICE_TREE");
        assert_int_equal(measure(&image, 1, NULL, NULL), 0);
        image_done(&image);
}

/* What no QEMU takes is shown, and neither launched nor measured. */
static void test_optional(void **state)
{
        static const uint32_t types[] = {IGVM_CORIM_DOCUMENT | IGVM_OPTIONAL,
                                         IGVM_PAGE_DATA | IGVM_OPTIONAL, 0x3ff,
                                         0x3ff | IGVM_OPTIONAL};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *summary = NULL;
        json_object *refused, *counts;
        ImageIgvm making = {};
        Image image;
        Igvm igvm;

        image_igvm_platform(&making, SNP, 0, IGVM_PLATFORM_SEV_SNP);
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                image_igvm_header(&making, types[i], (uint8_t[8]){}, i ? 0 : 8);
        image_igvm_page(&making, SNP, 0, 1, 0, 0);
        image_igvm_vp(&making, SNP, VMSA, 0, vmsa_page);
        image = image_igvm_finish(&making, 1);
        assert_int_equal(igvm_read(image_bytes(&image), "igvm", &igvm, &error), 0);
        summary = igvm_summary(&igvm);
        refused = json_member(summary, "notLoadable");
        assert_int_equal(json_object_array_length(refused), 4);
        assert_not_loadable(refused, 0, "0x80000104", "CORIM_DOCUMENT");
        assert_not_loadable(refused, 1, "0x80000302", "PAGE_DATA");
        assert_not_loadable(refused, 2, "0x3ff", NULL);
        assert_not_loadable(refused, 3, "0x800003ff", NULL);
        counts = json_member(summary, "headers");
        assert_int_equal(json_member_int(counts, "PAGE_DATA", 0), 2);
        assert_int_equal(json_member_int(counts, "0x3ff", 0), 1);
        assert_int_equal(parse(&image, &igvm), -EBADMSG);
        image_done(&image);
}

typedef void (*Make)(ImageIgvm *igvm);

static void make_overlap(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0x200000, -1, 1, 0);
        image_igvm_page(igvm, SNP, 0x3ff000, -1, 0, 0);
}

static void make_overlap_insert(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 0, 0x2000);
        image_igvm_insert(igvm, SNP, 0x200000, 0);
        image_igvm_page(igvm, SNP, 0x201000, -1, 0, 0);
}

static void make_too_much(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 0, 0x40001000);
        image_igvm_insert(igvm, SNP, 0x200000, 0);
}

static void make_other_vmsa(ImageIgvm *igvm)
{
        image_igvm_vp(igvm, SNP, VMSA - 4096, 0, vmsa_page);
}

static void make_second_vmsa(ImageIgvm *igvm)
{
        image_igvm_vp(igvm, SNP, VMSA, 1, vmsa_page);
}

static void make_shared(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0, 1, 4, 0);
}

static void make_nothing(ImageIgvm *igvm)
{
}

/* Read, but no launch digest. */
static void test_no_digest(void **state)
{
        static const Make makes[] = {make_overlap,    make_overlap_insert, make_too_much,
                                     make_other_vmsa, make_second_vmsa,    make_shared,
                                     make_nothing};

        for (size_t i = 0; i < ARRAY_SIZE(makes); i++) {
                ImageIgvm making = {};
                Image image;

                image_igvm_platform(&making, SNP, 0, IGVM_PLATFORM_SEV_SNP);
                makes[i](&making);
                if (makes[i] == make_overlap || makes[i] == make_overlap_insert ||
                    makes[i] == make_too_much || makes[i] == make_shared)
                        image_igvm_vp(&making, SNP, VMSA, 0, vmsa_page);
                image = image_igvm_finish(&making, 1);
                assert_int_equal(measure(&image, 1, NULL, NULL), -EBADMSG);
                image_done(&image);
        }
}

/* Bits of platforms that the file does not name are no concern of those that it does; a mask of 0
 * concerns nobody. */
static void test_masks(void **state)
{
        HashDigest found[2];

        for (size_t i = 0; i < 2; i++) {
                ImageIgvm making = {};
                Image image;

                image_igvm_platform(&making, SNP, 2, IGVM_PLATFORM_SEV_SNP);
                image_igvm_policy(&making, i ? SNP | 64 : SNP, 0x30000);
                image_igvm_policy(&making, 64, 0x99);
                image_igvm_area(&making, 0, 0x1000);
                image_igvm_insert(&making, i ? SNP | 64 : SNP, 0x20000, 0);
                image_igvm_page(&making, i ? SNP | 0x80000000 : SNP, 0x10000, 1, 0, 0);
                if (i) {
                        image_igvm_page(&making, 64, 0x11000, 2, 0, 0);
                        image_igvm_page(&making, 0, 0x12000, 3, 0, 0);
                }
                image_igvm_vp(&making, SNP, VMSA, 0, vmsa_page);
                image = image_igvm_finish(&making, 1);
                assert_int_equal(measure(&image, 1, &found[i], NULL), 0);
                image_done(&image);
        }
        assert_memory_equal(found[0].bytes, found[1].bytes, 48);
}

static void test_another_platform(void **state)
{
        ImageIgvm making = {};
        Image image;

        image_igvm_platform(&making, TDX, 0, IGVM_PLATFORM_TDX);
        image_igvm_page(&making, TDX, 0, 1, 0, 0);
        image = image_igvm_finish(&making, 1);
        assert_int_equal(measure(&image, 1, NULL, NULL), -EBADMSG);
        image_done(&image);
}

static Image small_image(uint32_t version)
{
        ImageIgvm making = {};

        image_igvm_platform(&making, SNP, 0, IGVM_PLATFORM_SEV_SNP);
        image_igvm_policy(&making, SNP, 0x30000);
        image_igvm_area(&making, 0, 0x1000);
        image_igvm_page(&making, SNP, 0, 1, 0, 0);
        image_igvm_insert(&making, SNP, 0x1000, 0);
        image_igvm_vp(&making, SNP, VMSA, 0, vmsa_page);
        return image_igvm_finish(&making, version);
}

/* In a block of its own size, so that reading past its end is found. */
static void test_truncated(void **state)
{
        Image image = small_image(2);
        Igvm igvm;

        assert_int_equal(parse(&image, &igvm), 0);
        for (size_t n = 0; n < image.size; n++) {
                Image cut = {.data = malloc(n ?: 1), .size = n};

                assert_non_null(cut.data);
                memcpy(cut.data, image.data, n);
                assert_int_equal(parse(&cut, &igvm), -EBADMSG);
                /* and with headers that claim to be whole */
                if (n >= 32 + le32_get(image.data + 12)) {
                        le32_put(cut.data + 16, (uint32_t)n);
                        image_igvm_seal(&cut);
                        assert_int_equal(parse(&cut, &igvm), -EBADMSG);
                }
                image_done(&cut);
        }
        image_done(&image);
}

static void test_fixed_header(void **state)
{
        static const struct {
                size_t offset;
                uint32_t value;
        } bad[] = {{0, 0},           {4, 0},  {4, 3},  {8, 28},     {8, 36}, {8, 0xfffffff8},
                   {12, 0xfffffff0}, {16, 1}, {24, 1}, {28, 65536}, {28, 0}, {20, 0x12345678}};

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Image image = small_image(2);
                Igvm igvm;

                le32_put(image.data + bad[i].offset, bad[i].value);
                if (bad[i].offset == 4 || bad[i].offset >= 24)
                        image_igvm_seal(&image);
                assert_int_equal(parse(&image, &igvm), -EBADMSG);
                image_done(&image);
        }
}

static void assert_limit(ImageIgvm *making, int expected)
{
        Image image;
        Igvm igvm;

        image_igvm_page(making, SNP, 0, 1, 0, 0);
        image = image_igvm_finish(making, 1);
        assert_int_equal(parse(&image, &igvm), expected);
        image_done(&image);
}

static void test_areas_are_limited(void **state)
{
        for (uint32_t n = IGVM_AREAS_MAX; n <= IGVM_AREAS_MAX + 1; n++) {
                ImageIgvm making = {};

                image_igvm_platform(&making, SNP, 0, IGVM_PLATFORM_SEV_SNP);
                for (uint32_t i = 0; i < n; i++)
                        image_igvm_area(&making, i, 0x1000);
                assert_limit(&making, n > IGVM_AREAS_MAX ? -EBADMSG : 0);
        }
}

/* Regions of VSM, and the context that they are for: without it there is another error. */
static void test_regions_are_limited(void **state)
{
        for (uint32_t n = 64; n <= 65; n++) {
                uint8_t body[48] = {TDX, [9] = 0x10, [25] = 0x10}, context[4096] = {1};
                ImageIgvm making = {};

                image_igvm_platform(&making, TDX, 0, IGVM_PLATFORM_VSM);
                for (uint32_t i = 0; i < n; i++) {
                        le64_put(body + 16, 0x1000 * i);
                        image_igvm_header(&making, IGVM_RELOCATABLE_REGION, body, sizeof(body));
                }
                le32_put(context + 5, 0x20010);
                image_igvm_vp(&making, TDX, 0, 0, context);
                assert_limit(&making, n > 64 ? -EBADMSG : 0);
        }
}

/* The library wants data behind the headers, if only a byte. */
static void test_no_data(void **state)
{
        ImageIgvm making = {};
        Image image;
        Igvm igvm;

        image_igvm_platform(&making, SNP, 0, IGVM_PLATFORM_SEV_SNP);
        image = image_igvm_finish(&making, 1);
        for (size_t more = 0; more < 2; more++) {
                image.size = 24 + le32_get(image.data + 12) + more;
                le32_put(image.data + 16, (uint32_t)image.size);
                image_igvm_seal(&image);
                assert_int_equal(parse(&image, &igvm), more ? 0 : -EBADMSG);
        }
        image_done(&image);
}

/* Each byte of the headers is under the checksum. */
static void test_checksum(void **state)
{
        Image image = small_image(1);
        uint32_t end = 24 + le32_get(image.data + 12);
        Igvm igvm;

        for (size_t i = 0; i < end; i++) {
                image.data[i] ^= 0x80;
                assert_int_equal(parse(&image, &igvm), -EBADMSG);
                image.data[i] ^= 0x80;
        }
        assert_int_equal(parse(&image, &igvm), 0);
        image_done(&image);
}

static int setup(void **state)
{
        image_vmsa(vmsa_page);
        for (size_t i = 0x328; i < 0x380; i++)
                vmsa_page[i] = (uint8_t)(i * 7);
        le64_put(vmsa_page + 0x3b0, 0x21);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_digest),
                cmocka_unit_test(test_every_vcpu),
                cmocka_unit_test(test_second_vmsa),
                cmocka_unit_test(test_every_page),
                cmocka_unit_test(test_summary),
                cmocka_unit_test(test_not_loadable),
                cmocka_unit_test(test_optional),
                cmocka_unit_test(test_no_digest),
                cmocka_unit_test(test_another_platform),
                cmocka_unit_test(test_masks),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_fixed_header),
                cmocka_unit_test(test_no_data),
                cmocka_unit_test(test_areas_are_limited),
                cmocka_unit_test(test_regions_are_limited),
                cmocka_unit_test(test_checksum),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
