/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU's library would refuse in an IGVM file is refused here, with the header's place. */
#include "test.h"

#include "base/json.h"
#include "measure-images.h"
#include "measure/igvm.h"

#define NATIVE 1u
#define SNP 2u
#define TDX 4u
#define VSM 8u
#define ES 16u
#define VMSA 0xfffffffff000ull

static uint8_t vmsa_page[4096];

typedef void (*Make)(ImageIgvm *igvm);

/* A header of that type, with a body that is zeros but for one little-endian number. */
static void add(ImageIgvm *igvm, uint32_t type, uint32_t size, size_t offset, uint32_t value)
{
        _cleanup_free_ uint8_t *body = calloc(1, size + 8);

        assert_non_null(body);
        le32_put(body + offset, value);
        image_igvm_header(igvm, type, body, size);
}

static void add_platform(ImageIgvm *igvm, uint32_t mask, uint8_t vtl, uint8_t type,
                         uint16_t version, uint64_t boundary)
{
        uint8_t body[16] = {[4] = vtl, [5] = type};

        le32_put(body, mask);
        le16_put(body + 6, version);
        le64_put(body + 8, boundary);
        image_igvm_header(igvm, IGVM_SUPPORTED_PLATFORM, body, sizeof(body));
}

/* A context of VSM: n registers of a VTL, as many as `size` bytes hold. */
static void add_vsm(ImageIgvm *igvm, uint32_t n, uint8_t vtl, uint32_t name, uint16_t index)
{
        uint8_t page[4096] = {};

        le32_put(page, n);
        for (size_t i = 0; i < 2; i++) {
                page[4 + 32 * i] = vtl;
                le32_put(page + 5 + 32 * i, name);
        }
        image_igvm_vp(igvm, VSM, 0, index, page);
}

static void add_relocation(ImageIgvm *igvm, uint64_t alignment, uint64_t gpa, uint64_t size)
{
        uint8_t body[48] = {VSM, [6] = 2};

        le64_put(body + 8, alignment);
        le64_put(body + 16, gpa);
        le64_put(body + 24, size);
        image_igvm_header(igvm, IGVM_RELOCATABLE_REGION, body, sizeof(body));
}

static void add_page_table(ImageIgvm *igvm, uint64_t gpa, uint64_t size, uint64_t used)
{
        uint8_t body[32] = {VSM, [6] = 2};

        le64_put(body + 8, gpa);
        le64_put(body + 16, size);
        le64_put(body + 24, used);
        image_igvm_header(igvm, IGVM_PAGE_TABLE_RELOCATION_REGION, body, sizeof(body));
}

/* Platforms */

#define MAKE_PLATFORM(name, ...)                                                                   \
        static void name(ImageIgvm *igvm)                                                          \
        {                                                                                          \
                add_platform(igvm, __VA_ARGS__);                                                   \
        }

MAKE_PLATFORM(two_bits, 0x60, 0, IGVM_PLATFORM_SEV, 1, 0)
MAKE_PLATFORM(no_bit, 0, 0, IGVM_PLATFORM_SEV, 1, 0)
MAKE_PLATFORM(mask_twice, SNP, 0, IGVM_PLATFORM_SEV, 1, 0)
MAKE_PLATFORM(type_twice, 32, 0, IGVM_PLATFORM_SEV_SNP, 1, 0)
MAKE_PLATFORM(version_2, 32, 0, IGVM_PLATFORM_SEV, 2, 0)
MAKE_PLATFORM(type_cca, 32, 0, IGVM_PLATFORM_CCA, 1, 0)
MAKE_PLATFORM(type_7, 32, 0, 7, 1, 0)
MAKE_PLATFORM(vtl_1, 32, 1, IGVM_PLATFORM_SEV, 1, 0)
MAKE_PLATFORM(vtl_3, 32, 3, IGVM_PLATFORM_SEV, 1, 0)

/* Initializations */

static void policy_late(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0, 1, 0, 0);
        image_igvm_policy(igvm, SNP, 1);
}

static void platform_late(ImageIgvm *igvm)
{
        image_igvm_policy(igvm, SNP, 1);
        image_igvm_platform(igvm, 32, 0, IGVM_PLATFORM_SEV);
}

static void corim_outside(ImageIgvm *igvm)
{
        uint8_t body[16] = {SNP, [4] = 1, [8] = 1};

        image_igvm_header(igvm, IGVM_CORIM_SIGNATURE, body, sizeof(body));
}

static void relocation_alone(ImageIgvm *igvm)
{
        add_relocation(igvm, 0x1000, 0x1000, 0x1000);
        add_vsm(igvm, 1, 0, 0x20010, 0);
}

static void relocation_unaligned(ImageIgvm *igvm)
{
        add_relocation(igvm, 0x2000, 0x1000, 0x1000);
}

static void relocation_no_alignment(ImageIgvm *igvm)
{
        add_relocation(igvm, 0, 0x1000, 0x1000);
}

static void relocation_overlap(ImageIgvm *igvm)
{
        add_relocation(igvm, 0x1000, 0x1000, 0x2000);
        add_page_table(igvm, 0x2000, 0x1000, 0);
}

static void relocation_end(ImageIgvm *igvm)
{
        add_relocation(igvm, 0x1000, 0xfffffffffffff000, 0x2000);
}

static void page_table_twice(ImageIgvm *igvm)
{
        add_page_table(igvm, 0x2000, 0x1000, 0);
        add_page_table(igvm, 0x4000, 0x1000, 0);
}

static void page_table_used(ImageIgvm *igvm)
{
        add_page_table(igvm, 0x2000, 0x1000, 0x2000);
}

static void page_table_insert(ImageIgvm *igvm)
{
        add_page_table(igvm, 0x2000, 0x1000, 0);
        image_igvm_area(igvm, 0, 0x1000);
        image_igvm_insert(igvm, SNP | VSM, 0x2000, 0);
}

/* Pages, areas, parameters */

static void page_unaligned(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0x800, 1, 0, 0);
}

static void large_page_unaligned(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0x1000, -1, 1, 0);
}

static void large_page_data(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0x200000, 1, 1, 0);
}

static void page_type(ImageIgvm *igvm)
{
        image_igvm_page(igvm, SNP, 0, 1, 0, 4);
}

/* Its data would be the headers themselves. */
static void page_of_headers(ImageIgvm *igvm)
{
        add(igvm, IGVM_PAGE_DATA, 24, 12, 24);
        image_igvm_page(igvm, SNP, 0, 1, 0, 0);
}

static void area_odd(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 3, 0x1001);
}

static void area_empty(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 3, 0);
}

static void area_twice(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 3, 0x1000);
        image_igvm_area(igvm, 3, 0x1000);
}

static void area_outside(ImageIgvm *igvm)
{
        uint8_t body[16] = {[1] = 0x10};

        le32_put(body + 12, 0xfffff000);
        image_igvm_header(igvm, IGVM_PARAMETER_AREA, body, sizeof(body));
}

static void insert_no_area(ImageIgvm *igvm)
{
        image_igvm_insert(igvm, SNP, 0, 3);
}

/* By another platform, which is all the same to the library. */
static void insert_twice(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 3, 0x1000);
        image_igvm_insert(igvm, SNP, 0x1000, 3);
        image_igvm_insert(igvm, TDX, 0x1000, 3);
}

static void insert_unaligned(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 3, 0x1000);
        image_igvm_insert(igvm, SNP, 0x1800, 3);
}

static void insert_high(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 1, 0x2000);
        image_igvm_insert(igvm, SNP, 0xfffffffffffff000, 1);
}

static void insert_long(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 0, 0x1000);
        add(igvm, IGVM_PARAMETER_INSERT, 20, 8, SNP);
}

static void parameter_no_area(ImageIgvm *igvm)
{
        image_igvm_parameter(igvm, IGVM_VP_COUNT, 3, 0);
}

static void parameter_late(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 3, 0x1000);
        image_igvm_insert(igvm, SNP, 0x1000, 3);
        image_igvm_parameter(igvm, IGVM_MEMORY_MAP, 3, 0);
}

static void parameter_short(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 0, 0x1000);
        add(igvm, IGVM_VP_COUNT, 4, 0, 0);
}

/* VP contexts */

static void vp_outside(ImageIgvm *igvm)
{
        uint8_t body[20] = {[8] = SNP};

        le32_put(body + 12, 0xfffff000);
        image_igvm_header(igvm, IGVM_VP_CONTEXT, body, sizeof(body));
}

static void vp_wide_mask(ImageIgvm *igvm)
{
        image_igvm_vp(igvm, SNP | 64, VMSA, 0, vmsa_page);
}

static void vp_no_mask(ImageIgvm *igvm)
{
        image_igvm_vp(igvm, 0, VMSA, 0, vmsa_page);
}

static void vp_tdx(ImageIgvm *igvm)
{
        image_igvm_vp(igvm, TDX, VMSA, 0, vmsa_page);
}

static void vp_unaligned(ImageIgvm *igvm)
{
        image_igvm_vp(igvm, ES, 0x1001, 0, vmsa_page);
}

static void vp_native_long(ImageIgvm *igvm)
{
        uint8_t page[4096] = {[232] = 1};

        image_igvm_vp(igvm, NATIVE, 0, 0, page);
}

static void vsm_empty(ImageIgvm *igvm)
{
        add_vsm(igvm, 0, 0, 0x20010, 0);
}

static void vsm_many(ImageIgvm *igvm)
{
        add_vsm(igvm, 0x7ffffff, 0, 0x20010, 0);
}

static void vsm_vtl(ImageIgvm *igvm)
{
        add_vsm(igvm, 1, 3, 0x20010, 0);
}

static void vsm_two_vtls(ImageIgvm *igvm)
{
        add_vsm(igvm, 3, 2, 0x20010, 0);
}

static void vsm_register(ImageIgvm *igvm)
{
        add_vsm(igvm, 1, 0, 0x20007, 0);
}

static void vsm_index(ImageIgvm *igvm)
{
        add_vsm(igvm, 1, 0, 0x20010, 1);
}

static const struct {
        Make make;
        const char *type, *reason;
} refused[] = {
        {two_bits, "SUPPORTED_PLATFORM (type 0x1)", "not one bit"},
        {no_bit, "0x1", "not one bit"},
        {mask_twice, "0x1", "same compatibility mask"},
        {type_twice, "0x1", "same type"},
        {version_2, "0x1", "version is not 1"},
        {type_cca, "0x1", "platform cca"},
        {type_7, "0x1", "type is unknown"},
        {vtl_1, "0x1", "VTL"},
        {vtl_3, "0x1", "VTL"},
        {policy_late, "0x101", "order"},
        {platform_late, "0x1", "order"},
        {corim_outside, "CORIM_SIGNATURE (type 0x105)", "outside"},
        {relocation_alone, "RELOCATABLE_REGION (type 0x102)", "no VP context"},
        {relocation_unaligned, "0x102", "alignment"},
        {relocation_no_alignment, "0x102", "alignment"},
        {relocation_overlap, "PAGE_TABLE_RELOCATION_REGION (type 0x103)", "overlaps"},
        {relocation_end, "0x102", "address space"},
        {page_table_twice, "0x103", "already"},
        {page_table_used, "0x103", "more of it is used"},
        {page_table_insert, "0x303", "page tables"},
        {page_unaligned, "PAGE_DATA (type 0x302)", "aligned"},
        {large_page_unaligned, "0x302", "aligned"},
        {large_page_data, "0x302", "2 MiB"},
        {page_type, "0x302", "data type"},
        {page_of_headers, "0x302", "outside"},
        {area_odd, "PARAMETER_AREA (type 0x301)", "the page size"},
        {area_empty, "0x301", "the page size"},
        {area_twice, "0x301", "same index"},
        {area_outside, "0x301", "outside"},
        {insert_no_area, "PARAMETER_INSERT (type 0x303)", "no parameter area"},
        {insert_twice, "0x303", "already been inserted"},
        {insert_unaligned, "0x303", "aligned"},
        {insert_high, "0x303", "too high"},
        {insert_long, "0x303", "length"},
        {parameter_no_area, "VP_COUNT_PARAMETER (type 0x307)", "no parameter area"},
        {parameter_late, "MEMORY_MAP (type 0x30c)", "already been inserted"},
        {parameter_short, "0x307", "length"},
        {vp_outside, "VP_CONTEXT (type 0x304)", "one page within"},
        {vp_wide_mask, "0x304", "one platform"},
        {vp_no_mask, "0x304", "one platform"},
        {vp_tdx, "0x304", "tdx, has no VP contexts"},
        {vp_unaligned, "0x304", "aligned"},
        {vp_native_long, "0x304", "after the registers"},
        {vsm_empty, "0x304", "no registers"},
        {vsm_many, "0x304", "outside"},
        {vsm_vtl, "0x304", "VTL"},
        {vsm_two_vtls, "0x304", "VTL"},
        {vsm_register, "0x304", "register"},
        {vsm_index, "0x304", "vCPU 0"},
};

/* One header, of zeros but for one number. */
static const struct {
        uint32_t type, size;
        size_t offset;
        uint32_t value;
        const char *name, *reason;
} refused_alone[] = {
        {IGVM_RELOCATABLE_REGION, 48, 4, 0x30000, "RELOCATABLE_REGION (type 0x102)", "VTL"},
        {IGVM_PAGE_TABLE_RELOCATION_REGION, 32, 4, 0x30000, "0x103", "VTL"},
        {IGVM_PAGE_TABLE_RELOCATION_REGION, 32, 4, 0x1000000, "0x103", "reserved"},
        {IGVM_PAGE_TABLE_RELOCATION_REGION, 32, 8, 0x800, "0x103", "the page size"},
        {IGVM_VP_CONTEXT, 20, 8, VSM, "0x304", "outside"},
        {IGVM_CORIM_DOCUMENT, 16, 12, 1, "CORIM_DOCUMENT (type 0x104)", "reserved"},
        {IGVM_SUPPORTED_PLATFORM, 24, 0, 32, "0x1", "length"},
        {IGVM_GUEST_POLICY, 16, 12, 1, "GUEST_POLICY (type 0x101)", "reserved"},
        {IGVM_GUEST_POLICY, 12, 8, SNP, "0x101", "length"},
        {IGVM_CCA_POLICY, 32, 0, SNP, "CCA_POLICY (type 0x106)", "AArch64"},
        {IGVM_PAGE_DATA, 24, 12, 0xfffff000, "0x302", "outside"},
        {IGVM_PAGE_DATA, 24, 20, 0x10000, "0x302", "reserved"},
        {IGVM_PAGE_DATA, 23, 8, SNP, "0x302", "length"},
        {IGVM_PAGE_DATA, 32, 8, SNP, "0x302", "length"},
        {IGVM_PARAMETER_AREA, 24, 0, 0x1000, "0x301", "length"},
        {IGVM_REQUIRED_MEMORY, 24, 0, 0x800, "REQUIRED_MEMORY (type 0x305)", "the page size"},
        {IGVM_REQUIRED_MEMORY, 24, 12, 0x800, "0x305", "the page size"},
        {IGVM_REQUIRED_MEMORY, 24, 20, 1, "0x305", "reserved"},
        {IGVM_REQUIRED_MEMORY, 16, 8, SNP, "0x305", "length"},
        {IGVM_SNP_ID_BLOCK, 688, 0, SNP, "SNP_ID_BLOCK (type 0x30b)", "length"},
        {IGVM_ERROR_RANGE, 16, 0, 0x800, "ERROR_RANGE (type 0x30d)", "aligned"},
        {IGVM_VP_CONTEXT, 20, 8, SNP, "0x304", "one page within"},
        {IGVM_VP_CONTEXT, 18, 8, SNP, "0x304", "length"},
};

static void make_platforms(ImageIgvm *igvm)
{
        image_igvm_platform(igvm, NATIVE, 0, IGVM_PLATFORM_NATIVE);
        image_igvm_platform(igvm, SNP, 2, IGVM_PLATFORM_SEV_SNP);
        image_igvm_platform(igvm, TDX, 0, IGVM_PLATFORM_TDX);
        image_igvm_platform(igvm, VSM, 2, IGVM_PLATFORM_VSM);
        image_igvm_platform(igvm, ES, 0, IGVM_PLATFORM_SEV_ES);
}

/* reason NULL: it is taken. Where the header is, is the place of the one that is wrong. */
static void assert_parsed(ImageIgvm *making, const char *type, const char *reason)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const char *found;
        Image image;
        Igvm igvm;
        int r;

        image_igvm_page(making, 0x80, 0x800000, 1, 0, 0);
        image = image_igvm_finish(making, 1);
        r = igvm_parse(image_bytes(&image), "igvm", &igvm, &error);
        found = r < 0 ? json_member_string(error.fields, "reason") : "";
        if (!reason && r < 0)
                fail_msg("%s", found);
        if (reason &&
            !(r == -EBADMSG && error.id == CVM_ERROR_ARTIFACT_INVALID && strstr(found, type) &&
              strstr(found, ") at offset 0x") && strstr(found, reason)))
                fail_msg("%s, %s: %d %s", type, reason, r, found);
        if (reason) {
                size_t offset = strtoul(strstr(found, "0x") ? strstr(found, "offset 0x") + 7 : "0",
                                        NULL, 16);

                assert_true(offset >= 24 && offset + 8 <= image.size);
                assert_int_equal(le32_get(image.data + offset),
                                 strtoul(strstr(found, "(type ") + 6, NULL, 16));
        }
        image_done(&image);
}

static void test_refused(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                ImageIgvm making = {};

                make_platforms(&making);
                refused[i].make(&making);
                assert_parsed(&making, refused[i].type, refused[i].reason);
        }
        for (size_t i = 0; i < ARRAY_SIZE(refused_alone); i++) {
                ImageIgvm making = {};

                make_platforms(&making);
                add(&making, refused_alone[i].type, refused_alone[i].size, refused_alone[i].offset,
                    refused_alone[i].value);
                assert_parsed(&making, refused_alone[i].name, refused_alone[i].reason);
        }
}

/* Only platforms that share memory with the host have a boundary of it. */
static void test_shared_boundary(void **state)
{
        static const struct {
                uint8_t type;
                bool taken;
        } cases[] = {{IGVM_PLATFORM_NATIVE, false}, {IGVM_PLATFORM_VSM, false},
                     {IGVM_PLATFORM_SEV_SNP, true}, {IGVM_PLATFORM_TDX, true},
                     {IGVM_PLATFORM_SEV, true},     {IGVM_PLATFORM_SEV_ES, true}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                ImageIgvm making = {};
                Image image;
                Igvm igvm;

                add_platform(&making, 1, 2, cases[i].type, 1, 1ull << 46);
                image_igvm_page(&making, 1, 0, 1, 0, 0);
                image = image_igvm_finish(&making, 1);
                assert_int_equal(igvm_parse(image_bytes(&image), "igvm", &igvm, &error),
                                 cases[i].taken ? 0 : -EBADMSG);
                image_done(&image);
        }
}

/* Each type, with the least that is written by it. */
static void test_parameter_offsets(void **state)
{
        static const struct {
                uint32_t type, size;
        } cases[] = {{IGVM_VP_COUNT, 4},        {IGVM_SRAT, 48},       {IGVM_MADT, 44},
                     {IGVM_MMIO_RANGES, 32},    {IGVM_MEMORY_MAP, 24}, {IGVM_COMMAND_LINE, 1},
                     {IGVM_SLIT, 44},           {IGVM_PPTT, 36},       {IGVM_DEVICE_TREE, 40},
                     {IGVM_ENVIRONMENT_INFO, 4}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const uint32_t last = 0x2000 - cases[i].size;
                const uint32_t offsets[] = {0, last, last + 1, 0x2000, UINT32_MAX};

                for (size_t j = 0; j < ARRAY_SIZE(offsets); j++) {
                        _cleanup_(cvm_error_done) CvmError error = {};
                        ImageIgvm making = {};
                        Image image;
                        Igvm igvm;
                        int r;

                        make_platforms(&making);
                        image_igvm_area(&making, 9, 0x2000);
                        image_igvm_parameter(&making, cases[i].type, 9, offsets[j]);
                        image_igvm_page(&making, SNP, 0, 1, 0, 0);
                        image = image_igvm_finish(&making, 1);
                        r = igvm_parse(image_bytes(&image), "igvm", &igvm, &error);
                        assert_int_equal(r, offsets[j] <= last ? 0 : -EBADMSG);
                        if (r < 0)
                                assert_non_null(strstr(json_member_string(error.fields, "reason"),
                                                       "beyond the end of its area"));
                        image_done(&image);
                }
        }
}

static void take_contexts(ImageIgvm *igvm)
{
        uint8_t registers[4096] = {[231] = 1};

        add_relocation(igvm, 0x1000, 0x1000, 0x1000);
        add_page_table(igvm, 0x2000, 0x1000, 0x1000);
        image_igvm_vp(igvm, NATIVE, 0, 0, registers);
        image_igvm_vp(igvm, ES, 0x1000, 0, vmsa_page);
        add_vsm(igvm, 2, 2, 0x20010, 0);
}

/* They concern no platform: an area that they insert is not inserted. */
static void take_no_mask(ImageIgvm *igvm)
{
        image_igvm_area(igvm, 3, 0x1000);
        image_igvm_insert(igvm, 0, 0x1000, 3);
        image_igvm_parameter(igvm, IGVM_VP_COUNT, 3, 0xffc);
        image_igvm_insert(igvm, SNP, 0x1000, 3);
}

static void take_whole_types(ImageIgvm *igvm)
{
        uint8_t corim[16] = {SNP};

        image_igvm_header(igvm, IGVM_CORIM_DOCUMENT, corim, sizeof(corim));
        add(igvm, IGVM_SNP_ID_BLOCK, 696, 0, SNP);
        add(igvm, IGVM_VBS_MEASUREMENT, 864, 0, VSM);
        add(igvm, IGVM_ERROR_RANGE, 16, 8, SNP);
        image_igvm_page(igvm, SNP, 0x200000, -1, 1, 0);
}

static void test_taken(void **state)
{
        static const Make makes[] = {take_contexts, take_no_mask, take_whole_types};

        for (size_t i = 0; i < ARRAY_SIZE(makes); i++) {
                ImageIgvm making = {};

                make_platforms(&making);
                makes[i](&making);
                assert_parsed(&making, NULL, NULL);
        }
}

static int setup(void **state)
{
        image_vmsa(vmsa_page);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_shared_boundary),
                cmocka_unit_test(test_parameter_offsets),
                cmocka_unit_test(test_taken),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
