/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "live-log.h"
#include "measure-images.h"
#include "measure/rtmr0.h"

/* {offset, size, gpa, memory size, type, attributes}: code that is extended, variables that are
 * not, with more memory than data one that is, and memory that the TD adds itself. */
static const uint64_t sections[][6] = {
        {0x1000, 0x2000, 0xfffff000 - 0x1000, 0x2000, TDVF_BFV, 1},
        {0, 0x1000, 0xffc00000, 0x1000, TDVF_CFV, 0},
        {0x80, 0x150, 0x500000, 0x2000, TDVF_PAYLOAD_PARAM, 1},
        {0, 0, 0x809000, 0x2000, TDVF_TD_HOB, 0},
        {0, 0, 0x900000, 0x1000, TDVF_PERM_MEM, 2},
};
static const ImageOvmf small = {.size = 0x4000, .tdx = sections, .n_tdx = ARRAY_SIZE(sections)};

static int parse(Bytes bytes, Tdvf *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = tdvf_parse(bytes, "firmware", ret, &error);

        assert_int_equal(r < 0, cvm_error_is_set(&error));
        if (r < 0)
                assert_int_equal(error.id, CVM_ERROR_ARTIFACT_INVALID);
        return r;
}

static HashDigest measure(const Image *image, ProfileMrtd order)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        Register *reg = measurement_add(measurement, "MRTD", HASH_SHA384);
        Tdvf tdvf;

        assert_int_equal(parse(image_bytes(image), &tdvf), 0);
        assert_int_equal(tdvf_measure(&tdvf, order, reg), 0);
        assert_int_equal(reg->n_events, tdvf.n_sections);
        return reg->value;
}

/* The stream again, straight from the document. */
static void add(Hash *hash, uint64_t gpa)
{
        uint8_t op[128] = {};

        memcpy(op, "MEM.PAGE.ADD", 12);
        for (int i = 0; i < 8; i++)
                op[16 + i] = (uint8_t)(gpa >> 8 * i);
        hash_update(hash, op, sizeof(op));
}

static void extend(Hash *hash, uint64_t gpa, const uint8_t page[4096])
{
        for (uint64_t at = 0; at < 4096; at += 256) {
                uint8_t op[128] = {};

                memcpy(op, "MR.EXTEND", 9);
                for (int i = 0; i < 8; i++)
                        op[16 + i] = (uint8_t)((gpa + at) >> 8 * i);
                hash_update(hash, op, sizeof(op));
                hash_update(hash, page + at, 256);
        }
}

static HashDigest expected(const Image *image, bool interleaved)
{
        _cleanup_(hash_freep) Hash *hash = hash_new(HASH_SHA384);
        uint8_t parameter[2][4096] = {};
        HashDigest digest;

        memcpy(parameter[0], image->data + 0x80, 0x150);
        if (interleaved) {
                add(hash, 0xffffe000);
                extend(hash, 0xffffe000, image->data + 0x1000);
                add(hash, 0xfffff000);
                extend(hash, 0xfffff000, image->data + 0x2000);
        } else {
                add(hash, 0xffffe000);
                add(hash, 0xfffff000);
                extend(hash, 0xffffe000, image->data + 0x1000);
                extend(hash, 0xfffff000, image->data + 0x2000);
        }
        add(hash, 0xffc00000);
        add(hash, 0x500000);
        if (interleaved)
                extend(hash, 0x500000, parameter[0]);
        add(hash, 0x501000);
        if (!interleaved)
                extend(hash, 0x500000, parameter[0]);
        extend(hash, 0x501000, parameter[1]);
        add(hash, 0x809000);
        add(hash, 0x80a000);
        assert_int_equal(hash_finish(hash, &digest), 0);
        return digest;
}

static void test_mrtd(void **state)
{
        Image image = image_ovmf(&small);
        HashDigest page = measure(&image, PROFILE_MRTD_PAGE), want = expected(&image, true);
        HashDigest section = measure(&image, PROFILE_MRTD_SECTION);

        assert_memory_equal(page.bytes, want.bytes, 48);
        want = expected(&image, false);
        assert_memory_equal(section.bytes, want.bytes, 48);
        assert_memory_not_equal(page.bytes, section.bytes, 48);
        image_done(&image);
}

/* A byte changes MRTD exactly if a section that is extended holds it. */
static void test_every_byte(void **state)
{
        Image image = image_ovmf(&small);
        HashDigest before = measure(&image, PROFILE_MRTD_PAGE), after;

        for (size_t i = 0; i < 0x3000; i += i % 64 == 0 ? 1 : 63) {
                bool extended = i >= 0x1000 || (i >= 0x80 && i < 0x80 + 0x150);

                image.data[i] ^= 1;
                after = measure(&image, PROFILE_MRTD_PAGE);
                image.data[i] ^= 1;
                assert_int_equal(memcmp(&before, &after, sizeof(before)) != 0, extended);
        }
        image_done(&image);
}

static void test_refused(void **state)
{
        static const uint64_t bad[][6] = {
                {0, 0x1000, 0x800, 0x1000, 0, 1},       /* address */
                {0, 0x1000, 0x1000, 0x1001, 0, 1},      /* memory */
                {0x3001, 0x1000, 0x1000, 0x1000, 0, 1}, /* outside the file */
                {0xffffffff, 0xffffffff, 0x1000, 0x1000, 0, 1},
                {0, 0x2000, 0x1000, 0x1000, 0, 1}, /* more data than memory */
                {0, 0, 0, 0x10001000, 3, 0},       /* too much */
                {0, 0, 0xfffffffffffff000, 0x1000, 3, 0},
        };
        static const uint64_t overlap[][6] = {{0, 0, 0x1000, 0x2000, 3, 0},
                                              {0, 0, 0x2000, 0x1000, 3, 0}};
        static const uint64_t sum[][6] = {{0, 0, 0, 0x8001000, 3, 0},
                                          {0, 0, 0x100000000, 0x8000000, 3, 0}};
        ImageOvmf ovmf = {.size = 0x4000, .n_tdx = 1};
        Tdvf tdvf;

        for (size_t i = 0; i < ARRAY_SIZE(bad) + 2; i++) {
                Image image;

                ovmf.tdx = i < ARRAY_SIZE(bad) ? &bad[i] : i == ARRAY_SIZE(bad) ? overlap : sum;
                ovmf.n_tdx = i < ARRAY_SIZE(bad) ? 1 : 2;
                image = image_ovmf(&ovmf);
                assert_int_equal(parse(image_bytes(&image), &tdvf), -EBADMSG);
                image_done(&image);
        }
}

static void test_hostile(void **state)
{
        static const struct {
                size_t from_end;
                uint32_t value;
        } bad[] = {{0x600, 0},         {0x600 - 8, 2},         {0x600 - 12, 0},
                   {0x600 - 12, 65},   {0x600 - 12, 48},       {32 + 18 + 22, 0},
                   {32 + 18 + 22, 15}, {32 + 18 + 22, 0x4001}, {32 + 18 + 22, 0xffffffff}};
        Tdvf tdvf;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Image image = image_ovmf(&small);

                le32_put(image.data + image.size - bad[i].from_end, bad[i].value);
                assert_int_equal(parse(image_bytes(&image), &tdvf), -EBADMSG);
                image_done(&image);
        }
}

static void test_without(void **state)
{
        ImageOvmf ovmf = {.size = 0x1000};
        Image image = image_ovmf(&ovmf);
        Tdvf tdvf;

        assert_int_equal(parse(image_bytes(&image), &tdvf), -EBADMSG);
        image.data[image.size - 33] ^= 1; /* no table of GUIDs at all */
        assert_int_equal(parse(image_bytes(&image), &tdvf), -EBADMSG);
        image_done(&image);
}

/* From the front, in blocks of their own size: the metadata and then the sections go away. */
static void test_truncated(void **state)
{
        Image image = image_ovmf(&small);
        Tdvf tdvf;

        for (size_t n = 0; n < image.size; n++) {
                uint8_t *cut = malloc(n ?: 1);

                assert_non_null(cut);
                memcpy(cut, image.data + image.size - n, n);
                if (parse((Bytes){cut, n}, &tdvf) == 0)
                        assert_true(n >= 0x3000);
                free(cut);
        }
        image_done(&image);
}

/* The memory of that TD's firmware; variables are ours. */
static const uint64_t live_sections[][6] = {
        {0, 0x1000, 0xffc00000, 0x84000, TDVF_CFV, 0}, {0, 0, 0x810000, 0x10000, TDVF_TEMP_MEM, 0},
        {0, 0, 0x80b000, 0x2000, TDVF_TEMP_MEM, 0},    {0, 0, 0x809000, 0x2000, TDVF_TD_HOB, 0},
        {0, 0, 0x800000, 0x6000, TDVF_TEMP_MEM, 0},
};

static Image live_image(void)
{
        ImageOvmf ovmf = {.size = 0x4000, .tdx = live_sections, .n_tdx = ARRAY_SIZE(live_sections)};
        Image image = image_ovmf(&ovmf);

        le16_put(image.data + 48, 0x48);         /* header of the volume */
        le32_put(image.data + 0x48 + 16, 0x800); /* size of the variable store */
        memset(image.data + 0x48 + 28, 0xff, 0x800 - 28);
        return image;
}

static Measurement *measure_rtmr0(const Image *image, uint32_t edk2, uint64_t memory)
{
        static const AcpiFiles acpi = {
                {(const uint8_t *)"1", 1}, {(const uint8_t *)"2", 1}, {(const uint8_t *)"3", 1}};
        Measurement *measurement = measurement_new();
        Register *reg = measurement_add(measurement, "RTMR0", HASH_SHA384);
        Profile profile = {.edk2 = edk2, .boot = {PROFILE_BOOT_MENU, "test"}};
        Tdvf tdvf;

        assert_int_equal(parse(image_bytes(image), &tdvf), 0);
        assert_int_equal(rtmr0_measure(&tdvf, &profile, &acpi, memory, reg), 0);
        return measurement;
}

static void unhex(const char *hex, HashDigest *ret)
{
        for (size_t i = 0; i < SHA384_SIZE; i++)
                assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &ret->bytes[i]), 1);
}

static void test_rtmr0(void **state)
{
        HashDigest value = hash_zero(HASH_SHA384), event = value;
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_free_ char *hex = NULL;
        Image image = live_image();
        const Register *reg;

        for (size_t i = 0; i < ARRAY_SIZE(live_log); i++) {
                unhex(live_log[i], &event);
                assert_int_equal(hash_extend(&value, &event), 0);
        }
        hex = hash_hex(&value);
        assert_string_equal(hex, live_rtmr0);

        measurement = measure_rtmr0(&image, 202502, 2ull << 30);
        reg = &measurement->registers[0];
        assert_int_equal(reg->state, MEASUREMENT_VALUE);
        assert_int_equal(reg->n_events, ARRAY_SIZE(live_log));
        value = hash_zero(HASH_SHA384);
        for (size_t i = 0; i < ARRAY_SIZE(live_log); i++) {
                /* its variables (1) and ACPI tables (8 to 10) are not here */
                unhex(live_log[i], &event);
                assert_int_equal(memcmp(event.bytes, reg->events[i].digest.bytes, 48) == 0,
                                 i != 1 && (i < 8 || i > 10));
                assert_int_equal(hash_extend(&value, &reg->events[i].digest), 0);
        }
        assert_memory_equal(value.bytes, reg->value.bytes, 48);
        image_done(&image);
}

/* Memory above 4 GiB makes one more block; each size another hand-off block. */
static void test_rtmr0_memory(void **state)
{
        static const uint64_t sizes[] = {1ull << 30, 0xb0000000 - 4096, 0xb0000000, 4ull << 30};
        Image image = live_image();
        HashDigest last = {};

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                _cleanup_(measurement_freep) Measurement *measurement =
                        measure_rtmr0(&image, 202408, sizes[i]);
                const Register *reg = &measurement->registers[0];

                assert_memory_not_equal(last.bytes, reg->events[0].digest.bytes, 48);
                last = reg->events[0].digest;
        }
        image_done(&image);
}

static void test_rtmr0_unknown(void **state)
{
        static const uint32_t versions[] = {0, 202405, 202505};

        for (size_t i = 0; i < ARRAY_SIZE(versions) + 3; i++) {
                _cleanup_(measurement_freep) Measurement *measurement = NULL;
                Image image = live_image();
                const Register *reg;

                if (i == ARRAY_SIZE(versions))
                        image.data[0x48 + 28] = 0xaa; /* a variable */
                if (i == ARRAY_SIZE(versions) + 1)
                        le32_put(image.data + 0x48 + 16, 0xffffffff);
                if (i == ARRAY_SIZE(versions) + 2)
                        le16_put(image.data + 48, 0xffff);
                measurement = measure_rtmr0(&image, i < ARRAY_SIZE(versions) ? versions[i] : 202502,
                                            2ull << 30);
                reg = &measurement->registers[0];
                assert_int_equal(reg->state, MEASUREMENT_NOT_PREDICTABLE);
                assert_int_equal(reg->n_events, 0);
                image_done(&image);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mrtd),          cmocka_unit_test(test_every_byte),
                cmocka_unit_test(test_refused),       cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_without),       cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_rtmr0),         cmocka_unit_test(test_rtmr0_memory),
                cmocka_unit_test(test_rtmr0_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
