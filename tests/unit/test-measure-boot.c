/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "measure-images.h"
#include "measure/kernel_setup.h"
#include "measure/measure.h"
#include "measure/pe.h"

static void unhex(const char *hex, HashDigest *ret)
{
        assert_int_equal(strlen(hex), 2 * hash_size(ret->algorithm));
        for (size_t i = 0; i < hash_size(ret->algorithm); i++)
                assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &ret->bytes[i]), 1);
}

static void assert_hex(const HashDigest *digest, const char *expected)
{
        _cleanup_free_ char *hex = hash_hex(digest);

        assert_string_equal(hex, expected);
}

/* A kernel, an initramfs of 5 bytes, and what else a test wants. */
typedef struct Setup {
        Image kernel;
        MeasureInputs inputs;
} Setup;

static void setup_init(Setup *setup, MeasureMethod method, const char *profile)
{
        static const uint8_t initrd[] = "07070";
        _cleanup_(cvm_error_done) CvmError error = {};

        *setup = (Setup){.kernel = image_kernel(16, 0)};
        setup->inputs = (MeasureInputs){.method = method,
                                        .kernel.bytes = image_bytes(&setup->kernel),
                                        .initrd.bytes = {initrd, 5},
                                        .cmdline = "console=ttyS0 panic=-1 foo=bar",
                                        .memory = 2ull << 30,
                                        .cpus = 2};
        assert_int_equal(hash_pair_bytes(setup->kernel.data, setup->kernel.size,
                                         &setup->inputs.kernel.digests),
                         0);
        assert_int_equal(hash_pair_bytes(initrd, 5, &setup->inputs.initrd.digests), 0);
        if (profile)
                assert_int_equal(profile_parse(&setup->inputs.profile, profile, &error), 0);
}

static Measurement *run(const Setup *setup)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Measurement *measurement = NULL;

        assert_int_equal(measure_run(&setup->inputs, &measurement, &error), 0);
        return measurement;
}

static int refused(const Setup *setup, CvmErrorId id)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = measure_run(&setup->inputs, &measurement, &error);

        assert_true(r < 0);
        assert_int_equal(error.id, id);
        return r;
}

/* Seen by booting kernels through OVMF 2022.11 and 2026.08: load options after and before. */
static void test_load_options(void **state)
{
        static const struct {
                const char *profile, *sha256;
        } cases[] = {
                {"options=suffix,kernel=raw",
                 "94fb5b32b7d003e889c86cd0bdf078443dff24d17a56f9127eed727f3cfcc7ee"},
                {"options=prefix,kernel=raw",
                 "2ca59c34fc63b7b5f1b15b3f36d2b778c9c74c10b6e21ca5d3c541f8376b7e3f"},
                {"edk2=202505,kernel=raw",
                 "94fb5b32b7d003e889c86cd0bdf078443dff24d17a56f9127eed727f3cfcc7ee"},
                {"edk2=202508,kernel=raw",
                 "2ca59c34fc63b7b5f1b15b3f36d2b778c9c74c10b6e21ca5d3c541f8376b7e3f"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(measurement_freep) Measurement *measurement = NULL;
                const Register *pcr;
                HashDigest expected;
                Setup setup;

                setup_init(&setup, MEASURE_VTPM, cases[i].profile);
                measurement = run(&setup);
                pcr = measurement_find(measurement, "PCR9", HASH_SHA256);
                assert_int_equal(pcr->n_events, 2);
                assert_hex(&pcr->events[0].digest, cases[i].sha256);
                assert_memory_equal(pcr->events[1].digest.bytes, setup.inputs.initrd.digests.sha256,
                                    32);
                expected = hash_zero(HASH_SHA256);
                assert_int_equal(hash_extend(&expected, &pcr->events[0].digest), 0);
                assert_int_equal(hash_extend(&expected, &pcr->events[1].digest), 0);
                assert_memory_equal(pcr->value.bytes, expected.bytes, 32);
                image_done(&setup.kernel);
        }
}

/* Without an initramfs there is no "initrd=initrd", whatever the firmware; an empty command line
 * keeps the space with one. */
static void test_load_options_odd(void **state)
{
        _cleanup_(measurement_freep) Measurement *without = NULL, *empty = NULL;
        static const uint8_t nul[2], prefix[] = "i\0n\0i\0t\0r\0d\0=\0i\0n\0i\0t\0r\0d\0 \0\0";
        HashDigest expected;
        Setup setup;

        setup_init(&setup, MEASURE_VTPM, NULL);
        setup.inputs.initrd = (MeasureFile){};
        setup.inputs.cmdline = "";
        without = run(&setup);
        assert_int_equal(hash_bytes(HASH_SHA384, nul, 2, &expected), 0);
        assert_memory_equal(measurement_find(without, "PCR9", HASH_SHA384)->events[0].digest.bytes,
                            expected.bytes, 48);
        image_done(&setup.kernel);

        setup_init(&setup, MEASURE_VTPM, "options=prefix");
        setup.inputs.cmdline = "";
        empty = run(&setup);
        assert_int_equal(sizeof(prefix), 30);
        assert_int_equal(hash_bytes(HASH_SHA384, prefix, 30, &expected), 0);
        assert_memory_equal(measurement_find(empty, "PCR9", HASH_SHA384)->events[0].digest.bytes,
                            expected.bytes, 48);
        image_done(&setup.kernel);
}

/* The event log of a live TD and the RTMRs of its quote, published by Dstack
 * (https://github.com/Dstack-TEE/dstack, verifier/fixtures/tdx-lite-getquote.json): our fixed
 * events are its, and extending gives its registers. */
static void test_live_td(void **state)
{
        static const char *const log1[] = {
                "ac7e632dcf5cd2a1fe5c1f41f4d9b8219570e64ed3c61038"
                "fdbf25404e6f542ffd57f276bc5076307efaf882e6d64177",
                "77a0dab2312b4e1e57a84d865a21e5b2ee8d677a21012ada"
                "819d0a98988078d3d740f6346bfe0abaa938ca20439a8d71",
                "394341b7182cd227c5c6b07ef8000cdfd86136c4292b8e57"
                "6573ad7ed9ae41019f5818b4b971c9effc60e1ad9f1289f0",
                "214b0bef1379756011344877743fdc2a5382bac6e70362d6"
                "24ccf3f654407c1b4badf7d8f9295dd3dabdef65b27677e0",
                "0a2e01c85deae718a530ad8c6d20a84009babe6c8989269e"
                "950d8cf440c6e997695e64d455c4174a652cd080f6230b74",
        };
        static const char *const log2[] = {
                "786280842b7364287a3a70d96f7e309252857beb45fb1f91"
                "314a2ea863db0adc04c8431ecbf29a966405604631a5aab8",
                "4fe4f7710134a61d7def357add6ac50bdbfeee5032a4c100"
                "375e207216ffe42a3bd5822b24e679f91501fff795b81521",
        };
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        HashDigest rtmr1 = hash_zero(HASH_SHA384), rtmr2 = rtmr1, event = rtmr1;
        const Register *reg;
        Setup setup;

        for (size_t i = 0; i < ARRAY_SIZE(log1); i++) {
                unhex(log1[i], &event);
                assert_int_equal(hash_extend(&rtmr1, &event), 0);
        }
        assert_hex(&rtmr1, "2023546e7f3b9d1228e274f70c44d481162540f845254452"
                           "0a796a52f06879709b81a824a26792a7822327504b0d2aee");
        for (size_t i = 0; i < ARRAY_SIZE(log2); i++) {
                unhex(log2[i], &event);
                assert_int_equal(hash_extend(&rtmr2, &event), 0);
        }
        assert_hex(&rtmr2, "4c1b739ed451a637b0f82642e48a5ea83925d23633c72e73"
                           "85c8e9aca4175e133ed1625b7d92eb39edf509c27ff392dc");

        setup_init(&setup, MEASURE_TDX, "separator=rtmr1,kernel=patched,options=suffix");
        measurement = run(&setup);
        reg = measurement_find(measurement, "RTMR1", HASH_SHA384);
        assert_int_equal(reg->state, MEASUREMENT_VALUE);
        assert_int_equal(reg->n_events, ARRAY_SIZE(log1));
        for (size_t i = 1; i < ARRAY_SIZE(log1); i++)
                assert_hex(&reg->events[i].digest, log1[i]);
        image_done(&setup.kernel);
}

static void test_old_separator(void **state)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        const Register *reg;
        Setup setup;

        setup_init(&setup, MEASURE_TDX, "edk2=202405");
        measurement = run(&setup);
        reg = measurement_find(measurement, "RTMR1", HASH_SHA384);
        assert_int_equal(reg->state, MEASUREMENT_VALUE);
        assert_int_equal(reg->n_events, 4);
        assert_string_equal(reg->events[2].what, "Exit Boot Services Invocation");
        image_done(&setup.kernel);
}

/* The same events lead to PCR 4 and, but for the last two, RTMR 1. */
static void test_pcr4(void **state)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        const Register *pcr;
        HashDigest value = hash_zero(HASH_SHA256), digest;
        PeImage pe;
        _cleanup_(cvm_error_done) CvmError error = {};
        Setup setup;

        setup_init(&setup, MEASURE_VTPM, "kernel=raw");
        measurement = run(&setup);
        pcr = measurement_find(measurement, "PCR4", HASH_SHA256);
        assert_int_equal(pcr->n_events, 3);
        assert_int_equal(pe_parse(image_bytes(&setup.kernel), "kernel", &pe, &error), 0);
        assert_int_equal(pe_hash(&pe, HASH_SHA256, &digest), 0);
        assert_memory_equal(pcr->events[0].digest.bytes, digest.bytes, 32);
        assert_int_equal(hash_extend(&value, &digest), 0);
        unhex("3d6772b4f84ed47595d72a2c4c5ffd15f5bb72c7507fe26f2aaee2c69d5633ba", &digest);
        assert_int_equal(hash_extend(&value, &digest), 0);
        unhex("df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119", &digest);
        assert_int_equal(hash_extend(&value, &digest), 0);
        assert_memory_equal(pcr->value.bytes, value.bytes, 32);
        /* the PCR's value depends on neither memory, vCPUs, initramfs nor command line */
        setup.inputs.memory = 1ull << 30;
        setup.inputs.cpus = 7;
        setup.inputs.cmdline = "";
        setup.inputs.initrd = (MeasureFile){};
        measurement_free(TAKE_PTR(measurement));
        measurement = run(&setup);
        assert_memory_equal(measurement_find(measurement, "PCR4", HASH_SHA256)->value.bytes,
                            value.bytes, 32);
        image_done(&setup.kernel);
}

static void patch(const KernelSetup *setup, uint32_t mode, uint32_t address)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ uint8_t *kernel = NULL;
        const uint8_t *raw = setup->kernel.data;

        assert_int_equal(kernel_setup_patch(setup, &kernel, &error), 0);
        assert_int_equal(kernel[0x210], 0xb0);
        assert_int_equal(kernel[0x211], raw[0x211] | 0x80);
        assert_int_equal(le16_get(kernel + 0x224), 0xfe00);
        assert_int_equal(le32_get(kernel + 0x228), 0x20000);
        assert_int_equal(le16_get(kernel + 0x1fa),
                         mode == UINT32_MAX ? le16_get(raw + 0x1fa) : mode);
        assert_int_equal(le32_get(kernel + 0x218),
                         setup->has_initrd ? address : le32_get(raw + 0x218));
        assert_int_equal(le32_get(kernel + 0x21c),
                         setup->has_initrd ? setup->initrd_size : le32_get(raw + 0x21c));
        for (size_t i = 0; i < setup->kernel.size; i++)
                if (i < 0x1fa || i >= 0x22c)
                        assert_int_equal(kernel[i], raw[i]);
}

static void test_kernel_setup(void **state)
{
        Image image = image_kernel(16, 0);
        KernelSetup setup = {.kernel = image_bytes(&image),
                             .name = "kernel",
                             .cmdline = "quiet",
                             .memory = 512u << 20,
                             .has_initrd = true,
                             .initrd_size = 1000003};

        patch(&setup, UINT32_MAX, (0x20000000u - 0x28000 - 1 - 1000003) & ~0xfffu);
        setup.memory = 0xb0000000; /* from here on low memory ends at 2 GiB */
        patch(&setup, UINT32_MAX, (0x80000000u - 0x28000 - 1 - 1000003) & ~0xfffu);
        setup.memory = 0xafffffff;
        patch(&setup, UINT32_MAX, (0xafffffffu - 0x28000 - 1 - 1000003) & ~0xfffu);
        setup.memory = 64ull << 30;
        patch(&setup, UINT32_MAX, (0x80000000u - 0x28000 - 1 - 1000003) & ~0xfffu);
        image.data[0x236] = 0; /* only below initrd_addr_max */
        le32_put(image.data + 0x22c, 0x37ffffff);
        patch(&setup, UINT32_MAX, (0x37ffffffu - 1000003) & ~0xfffu);
        setup.has_initrd = false;
        patch(&setup, UINT32_MAX, 0);
        setup.cmdline = "a vga=normal b";
        patch(&setup, 0xffff, 0);
        setup.cmdline = "vga=ext";
        patch(&setup, 0xfffe, 0);
        setup.cmdline = "vga=ask";
        patch(&setup, 0xfffd, 0);
        setup.cmdline = "vga=0x317 x";
        patch(&setup, 0x317, 0);
        setup.cmdline = "vga=791";
        patch(&setup, 791, 0);
        image_done(&image);
}

static void test_kernel_setup_refused(void **state)
{
        static const char *const cmdlines[] = {"vga=", "vga=x", "vga=1x", "vga=99999999999"};
        Image image = image_kernel(16, 0);
        KernelSetup setup = {.kernel = image_bytes(&image), .name = "kernel", .memory = 64u << 20};
        uint8_t *kernel = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(cmdlines); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                setup.cmdline = cmdlines[i];
                assert_int_equal(kernel_setup_patch(&setup, &kernel, &error), -EINVAL);
        }
        for (int i = 0; i < 2; i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                setup.cmdline = "";
                setup.has_initrd = true;
                setup.initrd_size = i ? UINT64_MAX : (64u << 20) - 0x28000 - 1;
                assert_int_equal(kernel_setup_patch(&setup, &kernel, &error), -EINVAL);
        }
        setup.has_initrd = false;
        for (int i = 0; i < 2; i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                if (i)
                        le16_put(image.data + 0x206, 0x20b);
                else
                        setup.kernel.size = 0x263;
                assert_int_equal(kernel_setup_patch(&setup, &kernel, &error), -EBADMSG);
                setup.kernel.size = image.size;
        }
        image_done(&image);
}

static MeasurementState state_of(const Setup *setup, const char *name, HashAlgorithm algorithm)
{
        _cleanup_(measurement_freep) Measurement *measurement = run(setup);
        const Register *reg = measurement_find(measurement, name, algorithm);

        assert_non_null(reg);
        assert_int_equal(reg->n_events > 0 || strcmp(name, "RTMR3") == 0,
                         reg->state == MEASUREMENT_VALUE);
        if (reg->state != MEASUREMENT_VALUE)
                assert_non_null(reg->reason);
        return reg->state;
}

/* Only what is named is measured, and nothing is guessed. */
static void test_states(void **state)
{
        Setup setup;

        setup_init(&setup, MEASURE_VTPM, NULL);
        assert_int_equal(state_of(&setup, "PCR4", HASH_SHA256), MEASUREMENT_NOT_PREDICTABLE);
        assert_int_equal(state_of(&setup, "PCR9", HASH_SHA384), MEASUREMENT_NOT_PREDICTABLE);
        setup.inputs.initrd = (MeasureFile){};
        assert_int_equal(state_of(&setup, "PCR9", HASH_SHA384), MEASUREMENT_VALUE);
        setup.inputs.cmdline = NULL;
        assert_int_equal(state_of(&setup, "PCR9", HASH_SHA384), MEASUREMENT_NOT_GIVEN);
        image_done(&setup.kernel);

        setup_init(&setup, MEASURE_VTPM, "kernel=patched");
        assert_int_equal(state_of(&setup, "PCR4", HASH_SHA256), MEASUREMENT_VALUE);
        setup.inputs.memory = 0;
        assert_int_equal(state_of(&setup, "PCR4", HASH_SHA256), MEASUREMENT_NOT_GIVEN);
        setup.inputs.method = MEASURE_TDX;
        assert_int_equal(state_of(&setup, "RTMR1", HASH_SHA384), MEASUREMENT_NOT_GIVEN);
        setup.inputs.memory = 1 << 30;
        assert_int_equal(state_of(&setup, "RTMR1", HASH_SHA384), MEASUREMENT_NOT_PREDICTABLE);
        assert_int_equal(state_of(&setup, "MRTD", HASH_SHA384), MEASUREMENT_NOT_GIVEN);
        assert_int_equal(state_of(&setup, "RTMR0", HASH_SHA384), MEASUREMENT_NOT_GIVEN);
        assert_int_equal(state_of(&setup, "RTMR3", HASH_SHA384), MEASUREMENT_VALUE);
        /* SEV guests' kernels are not changed */
        setup.inputs.method = MEASURE_SEV_SNP_IGVM;
        assert_int_equal(state_of(&setup, "LaunchDigest", HASH_SHA384), MEASUREMENT_NOT_GIVEN);
        setup.inputs.profile = (Profile){};
        setup.inputs.memory = 0;
        assert_int_equal(state_of(&setup, "PCR4", HASH_SHA384), MEASUREMENT_VALUE);
        setup.inputs.kernel = setup.inputs.initrd = (MeasureFile){};
        setup.inputs.cmdline = NULL;
        assert_int_equal(state_of(&setup, "PCR4", HASH_SHA384), MEASUREMENT_NOT_GIVEN);
        assert_int_equal(state_of(&setup, "PCR9", HASH_SHA256), MEASUREMENT_NOT_GIVEN);
        image_done(&setup.kernel);
}

static void test_inputs_refused(void **state)
{
        _cleanup_free_ char *longest = calloc(1, 2049);
        Setup setup;

        memset(longest, 'a', 2047);
        setup_init(&setup, MEASURE_VTPM, "options=suffix");
        setup.inputs.cmdline = longest;
        assert_int_equal(state_of(&setup, "PCR9", HASH_SHA256), MEASUREMENT_VALUE);
        longest[2047] = 'a';
        refused(&setup, CVM_ERROR_INVALID_SPEC);
        setup.inputs.cmdline = "name=\xc3\xa9";
        refused(&setup, CVM_ERROR_INVALID_SPEC);
        setup.inputs.cmdline = "";
        setup.inputs.method = MEASURE_NONE;
        refused(&setup, CVM_ERROR_INVALID_SPEC);
        setup.inputs.method = MEASURE_TDX;
        setup.inputs.igvm.bytes = setup.inputs.kernel.bytes;
        refused(&setup, CVM_ERROR_INVALID_SPEC);
        setup.inputs.method = MEASURE_VTPM;
        refused(&setup, CVM_ERROR_ARTIFACT_INVALID); /* a kernel is not an IGVM file */
        setup.inputs.method = MEASURE_SEV_SNP_IGVM;
        refused(&setup, CVM_ERROR_ARTIFACT_INVALID);
        setup.inputs.igvm = (MeasureFile){};
        setup.inputs.firmware.bytes = setup.inputs.kernel.bytes;
        refused(&setup, CVM_ERROR_INVALID_SPEC);
        setup.inputs.method = MEASURE_TDX;
        refused(&setup, CVM_ERROR_ARTIFACT_INVALID); /* nor firmware */
        setup.inputs.method = MEASURE_SEV_SNP_OVMF;
        refused(&setup, CVM_ERROR_ARTIFACT_INVALID);
        setup.inputs.cpu_model = "host";
        refused(&setup, CVM_ERROR_INVALID_SPEC);
        setup.inputs.cpu_model = NULL;
        setup.inputs.features = 0x20;
        refused(&setup, CVM_ERROR_INVALID_SPEC);
        setup.inputs.firmware = (MeasureFile){};
        setup.inputs.features = 0;
        setup.inputs.kernel = (MeasureFile){};
        refused(&setup, CVM_ERROR_INVALID_SPEC); /* an initramfs alone */
        setup.inputs.initrd = (MeasureFile){};
        refused(&setup, CVM_ERROR_INVALID_SPEC); /* a command line alone */
        image_done(&setup.kernel);
}

/* What the kernel's stub does not measure is in no register, and is not needed either. */
static void test_stub(void **state)
{
        static const struct {
                bool options, tcg2, cc;
                size_t pcr9, rtmr2; /* events */
        } cases[] = {
                {true, true, true, 2, 2},    {true, true, false, 2, 0}, {true, false, true, 0, 2},
                {true, false, false, 0, 0},  {false, true, true, 1, 1}, {false, true, false, 1, 0},
                {false, false, false, 0, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                for (int td = 0; td < 2; td++) {
                        _cleanup_(measurement_freep) Measurement *measurement = NULL;
                        size_t events = td ? cases[i].rtmr2 : cases[i].pcr9;
                        const Register *reg;
                        HashDigest expected;
                        Setup setup;

                        setup_init(&setup, td ? MEASURE_TDX : MEASURE_VTPM, "options=suffix");
                        image_kernel_stub(&setup.kernel, IMAGE_KERNEL_STUB, cases[i].options,
                                          cases[i].tcg2, cases[i].cc);
                        if (events < 2)
                                setup.inputs.cmdline = NULL;
                        measurement = run(&setup);
                        reg = measurement_find(measurement, td ? "RTMR2" : "PCR9", HASH_SHA384);
                        assert_int_equal(reg->state, MEASUREMENT_VALUE);
                        assert_int_equal(reg->n_events, events);
                        assert_int_equal(reg->reason != NULL, events < 2);
                        expected = hash_zero(HASH_SHA384);
                        for (size_t n = 0; n < events; n++)
                                assert_int_equal(hash_extend(&expected, &reg->events[n].digest), 0);
                        assert_memory_equal(reg->value.bytes, expected.bytes, 48);
                        if (events)
                                assert_string_equal(reg->events[events - 1].what, "initramfs");
                        image_done(&setup.kernel);
                }
}

/* What the profile names goes before what the code shows. */
static void test_stub_given(void **state)
{
        static const struct {
                const char *profile;
                size_t events;
        } cases[] = {{"options=suffix,stub=none", 0},
                     {"options=suffix,stub=initrd", 1},
                     {"options=suffix,stub=both", 2}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(measurement_freep) Measurement *measurement = NULL;
                Setup setup;

                setup_init(&setup, MEASURE_TDX, cases[i].profile);
                image_kernel_stub(&setup.kernel, IMAGE_KERNEL_STUB, i == 0, i == 0, i == 0);
                measurement = run(&setup);
                assert_int_equal(measurement_find(measurement, "RTMR2", HASH_SHA384)->n_events,
                                 cases[i].events);
                image_done(&setup.kernel);
        }
}

/* The code is read where it is code; a GUID is one whichever way it is written. */
static void test_stub_code(void **state)
{
        Image image = image_kernel(16, 0);
        uint8_t guid[16], *p = image.data + IMAGE_KERNEL_STUB;
        KernelStub stub;

        memcpy(guid, p + 0x62, 8);
        memcpy(guid + 8, p + 0x70, 8);
        image_kernel_stub(&image, IMAGE_KERNEL_STUB, true, true, false);
        assert_false(kernel_stub_read(image_bytes(&image)).cc);
        memcpy(p + 0x62, guid, 15); /* not all of it */
        assert_false(kernel_stub_read(image_bytes(&image)).cc);
        p[0x62 + 15] = guid[15]; /* a constant */
        assert_true(kernel_stub_read(image_bytes(&image)).cc);
        memset(p + 0x62, 0x90, 16);
        for (size_t i = 0; i < 4; i++) /* immediates of four bytes */
                memcpy(p + 0x60 + 7 * i, guid + 4 * i, 4);
        assert_true(kernel_stub_read(image_bytes(&image)).cc);
        memset(p + 0x60, 0x90, 0x20);
        memcpy(p + 0x60, guid, 8); /* halves that are far apart */
        memcpy(image.data + 0x600, guid + 8, 8);
        assert_false(kernel_stub_read(image_bytes(&image)).cc);

        memset(p, 0x90, IMAGE_KERNEL_STUB_SIZE);
        image_kernel_stub(&image, IMAGE_KERNEL_PAYLOAD, true, true, true);
        stub = kernel_stub_read(image_bytes(&image));
        assert_false(stub.initrd || stub.options || stub.tcg2 || stub.cc);
        le32_put(image.data + 0x24c, 0xffffffff); /* not within the file */
        stub = kernel_stub_read(image_bytes(&image));
        assert_true(stub.initrd && stub.options && stub.tcg2 && stub.cc);
        stub = kernel_stub_read((Bytes){image.data, 0});
        assert_false(stub.initrd || stub.options || stub.tcg2 || stub.cc);
        image_done(&image);
}

static void test_profile(void **state)
{
        static const char *const bad[] = {"edk2",
                                          "edk2=2025",
                                          "edk2=20250x",
                                          "options=",
                                          "kernel=none",
                                          "color=red",
                                          "mrtd=page,mrtd=page",
                                          "edk2=202508,edk2=202508",
                                          ",",
                                          "options=unknown",
                                          "stub=all"};
        static const char *const versions[] = {"", "10", "x", "10.", "0.1", "10.0x", "-1.0"};
        Profile profile = {};

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                profile = (Profile){};
                assert_int_equal(profile_parse(&profile, bad[i], &error), -EINVAL);
        }
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                assert_int_equal(profile_parse_qemu(&profile, versions[i], &error), -EINVAL);
        }
}

/* What versions say, and that what is told wins. */
static void test_profile_conclusions(void **state)
{
        static const struct {
                const char *told, *qemu;
                ProfileGuest guest;
                ProfileOptions options;
                ProfileKernel kernel;
                ProfileMrtd mrtd;
                ProfileSeparator separator;
        } cases[] = {
                {"", NULL, PROFILE_GUEST_PLAIN, 0, 0, 0, 0},
                {"", NULL, PROFILE_GUEST_SEV, 0, PROFILE_KERNEL_RAW, 0, 0},
                {"kernel=patched", NULL, PROFILE_GUEST_SEV, 0, PROFILE_KERNEL_PATCHED, 0, 0},
                {"", NULL, PROFILE_GUEST_TDX, 0, 0, PROFILE_MRTD_PAGE, 0},
                {"", "8.2.2", PROFILE_GUEST_TDX, 0, PROFILE_KERNEL_PATCHED, PROFILE_MRTD_SECTION,
                 0},
                {"", "10.1", PROFILE_GUEST_TDX, 0, 0, PROFILE_MRTD_PAGE, 0},
                {"edk2=202411", "10.1", PROFILE_GUEST_TDX, PROFILE_OPTIONS_SUFFIX,
                 PROFILE_KERNEL_PATCHED, PROFILE_MRTD_PAGE, PROFILE_SEPARATOR_RTMR1},
                {"edk2=202502", "10.0.2 (Debian)", PROFILE_GUEST_TDX, PROFILE_OPTIONS_SUFFIX,
                 PROFILE_KERNEL_RAW, PROFILE_MRTD_PAGE, PROFILE_SEPARATOR_RTMR1},
                {"edk2=202502", "9.2", PROFILE_GUEST_TDX, PROFILE_OPTIONS_SUFFIX,
                 PROFILE_KERNEL_PATCHED, PROFILE_MRTD_PAGE, PROFILE_SEPARATOR_RTMR1},
                {"edk2=202502", NULL, PROFILE_GUEST_PLAIN, PROFILE_OPTIONS_SUFFIX, 0, 0,
                 PROFILE_SEPARATOR_RTMR1},
                {"edk2=202508,options=suffix", NULL, PROFILE_GUEST_PLAIN, PROFILE_OPTIONS_SUFFIX, 0,
                 0, PROFILE_SEPARATOR_RTMR1},
                {"edk2=202405", NULL, PROFILE_GUEST_PLAIN, PROFILE_OPTIONS_SUFFIX,
                 PROFILE_KERNEL_PATCHED, 0, PROFILE_SEPARATOR_RTMR0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                Profile profile = {};

                assert_int_equal(profile_parse(&profile, cases[i].told, &error), 0);
                if (cases[i].qemu)
                        assert_int_equal(profile_parse_qemu(&profile, cases[i].qemu, &error), 0);
                profile_conclude(&profile, cases[i].guest);
                assert_int_equal(profile.options.value, cases[i].options);
                assert_int_equal(profile.kernel.value, cases[i].kernel);
                assert_int_equal(profile.mrtd.value, cases[i].mrtd);
                assert_int_equal(profile.separator.value, cases[i].separator);
                assert_int_equal(!!profile.kernel.source, profile.kernel.value != 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_load_options),
                cmocka_unit_test(test_load_options_odd),
                cmocka_unit_test(test_live_td),
                cmocka_unit_test(test_old_separator),
                cmocka_unit_test(test_pcr4),
                cmocka_unit_test(test_kernel_setup),
                cmocka_unit_test(test_kernel_setup_refused),
                cmocka_unit_test(test_states),
                cmocka_unit_test(test_inputs_refused),
                cmocka_unit_test(test_stub),
                cmocka_unit_test(test_stub_given),
                cmocka_unit_test(test_stub_code),
                cmocka_unit_test(test_profile),
                cmocka_unit_test(test_profile_conclusions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
