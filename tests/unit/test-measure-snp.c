/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "measure-images.h"
#include "measure/id_block.h"
#include "measure/snp_ovmf.h"

static void unhex(const char *hex, uint8_t *ret, size_t size)
{
        assert_int_equal(strlen(hex), 2 * size);
        for (size_t i = 0; i < size; i++)
                assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &ret[i]), 1);
}

static void assert_hex(const HashDigest *digest, const char *expected)
{
        _cleanup_free_ char *hex = hash_hex(digest);

        assert_string_equal(hex, expected);
}

/* Firmware as published: the digest of its pages, and its metadata. */
typedef struct Published {
        const char *firmware;
        OvmfSev sev;
} Published;

/* The tests of sev-snp-measure (https://github.com/virtee/sev-snp-measure, tests/test_guest.py), on
 * two builds of edk2-stable202405. */
static const Published amdsev = {
        "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2"
        "c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74",
        {.sections = {{0x800000, 0x9000, 1},
                      {0x80a000, 0x3000, 1},
                      {0x80d000, 0x1000, 2},
                      {0x80e000, 0x1000, 3},
                      {0x80f000, 0x1000, 4},
                      {0x810000, 0x1000, 0x10},
                      {0x811000, 0xf000, 1}},
         .n_sections = 7,
         .reset_eip = 0x80b004,
         .hashes_gpa = 0x810c00},
};
static const Published ovmfx64 = {
        "b91e6fec73d2bcc57ad5fd400a426ce02731c22ea92bc894"
        "ce675e7c9921a822977d6cf025b85f8ef4f264bff8839d20",
        {.sections = {{0x800000, 0x9000, 1},
                      {0x80a000, 0x3000, 1},
                      {0x80d000, 0x1000, 2},
                      {0x80e000, 0x1000, 3},
                      {0x80f000, 0x1000, 4},
                      {0x810000, 0x10000, 1}},
         .n_sections = 6,
         .reset_eip = 0x80b004},
};

static const struct {
        const Published *firmware;
        const char *cmdline; /* NULL: no kernel; else kernel and initrd are empty */
        uint32_t cpus;
        uint64_t features;
        const char *digest;
} public_vectors[] = {
        {&amdsev, "", 1, 0x21,
         "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae"
         "15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198"},
        {&amdsev, "", 1, 0x1,
         "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3"
         "ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5"},
        {&amdsev, "console=ttyS0 loglevel=7", 1, 0x21,
         "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb2"
         "8c653360fe4b3aba7e534442e7e1e17895dfe778d0228977"},
        {&amdsev, "console=ttyS0 loglevel=7", 1, 0x1,
         "6d287813eb5222d770f75005c664e34c204f385ce832cc2c"
         "e7d0d6f354454362f390ef83a92046c042e706363b4b08fa"},
        {&amdsev, NULL, 1, 0x21,
         "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af"
         "9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b"},
        {&amdsev, NULL, 1, 0x1,
         "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6"
         "013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d"},
        {&amdsev, "", 4, 0x21,
         "4953b1fb416fa874980e8442b3706d345926d5f38879134e"
         "00813c5d7abcbe78eafe7b422907be0b4698e2414a631942"},
        {&amdsev, "", 4, 0x1,
         "5061fffb019493a903613d56d54b94912a1a2f9e4502385f"
         "5c194616753720a92441310ba6c4933de877c36e23046ad5"},
        {&ovmfx64, NULL, 1, 0x21,
         "28797ae0afaba4005a81e629acebfb59e6687949d6be4400"
         "7cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385"},
        {&ovmfx64, NULL, 1, 0x1,
         "da0296de8193586a5512078dcd719eccecbd87e2b825ad41"
         "48c44f665dc87df21e5b49e21523a9ad993afdb6a30b4005"},
};

/* On top of the firmware's pages. */
static void assert_published(const Published *firmware, const SnpOvmf *input, const char *expected)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        _cleanup_(snp_digest_done) SnpDigest digest = {};
        Register *reg = measurement_add(measurement, "LaunchDigest", HASH_SHA384);

        assert_int_equal(snp_digest_init(&digest), 0);
        unhex(firmware->firmware, digest.value.bytes, SHA384_SIZE);
        assert_int_equal(snp_ovmf_add(&digest, &firmware->sev, input, reg), 0);
        assert_hex(&reg->value, expected);
        assert_int_equal(reg->n_events, firmware->sev.n_sections + input->cpus);
        assert_memory_equal(reg->events[reg->n_events - 1].digest.bytes, reg->value.bytes,
                            SHA384_SIZE);
}

static void test_public_vectors(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(public_vectors); i++) {
                SnpOvmf input = {.cpus = public_vectors[i].cpus,
                                 .features = public_vectors[i].features};
                OvmfHashes hashes;
                HashPairDigest empty;

                assert_int_equal(vmsa_cpu_signature("EPYC-v4", &input.cpu_signature), 0);
                assert_int_equal(input.cpu_signature, 0x800f12);
                assert_int_equal(hash_pair_bytes("", 0, &empty), 0);
                if (public_vectors[i].cmdline) {
                        assert_int_equal(
                                ovmf_hash_kernel(&empty, NULL, public_vectors[i].cmdline, &hashes),
                                0);
                        input.hashes = &hashes;
                }
                assert_published(public_vectors[i].firmware, &input, public_vectors[i].digest);
        }
        /* With a kernel the one gives a digest, the other is refused. */
        assert_true(ovmf_takes_hashes(&amdsev.sev));
        assert_false(ovmf_takes_hashes(&ovmfx64.sev));
}

/* A CVM on Milan whose signed report has this launch digest: the document and the report are
 * published by Dstack (https://github.com/Dstack-TEE/dstack, dstack-mr/src/sev.rs). */
static void test_real_hardware(void **state)
{
        static const Published firmware = {
                "ffb57e393469a497c0e3b07bd1c97d8611e555f464d14491"
                "837665893ac642b263a71f9507ff100a847897fe0c3f8c6f",
                {.sections = {{8388608, 36864, 1},
                              {8429568, 12288, 1},
                              {8441856, 4096, 2},
                              {8445952, 4096, 3},
                              {8450048, 4096, 4},
                              {8458240, 61440, 1},
                              {8454144, 4096, 16}},
                 .n_sections = 7,
                 .reset_eip = 8433668,
                 .hashes_gpa = 8457216},
        };
        static const char cmdline[] =
                "console=ttyS0 init=/init panic=1 net.ifnames=0 biosdevname=0 mce=off oops=panic "
                "pci=noearly pci=nommconf random.trust_cpu=y random.trust_bootloader=n "
                "tsc=reliable no-kvmclock "
                "dstack.rootfs_hash="
                "ca5adaef0ac3a36108035925763b48a5818f634e700fbaab561d419fd30d7121 "
                "dstack.rootfs_size=490713088";
        HashPairDigest kernel = {}, initrd = {};
        OvmfHashes hashes;
        SnpOvmf input = {.hashes = &hashes, .cpus = 2, .cpu_signature = 0x800f12, .features = 1};

        unhex("dd9ea274ce9a07090b22e8284b0c841b65c021c2d15ca57d0f16731089dd226c", kernel.sha256,
              SHA256_SIZE);
        unhex("5f844c4a2ca5a3d0711b3db38293b21ba929bb8e0b3c5bc1a779a57f69221c19", initrd.sha256,
              SHA256_SIZE);
        assert_int_equal(ovmf_hash_kernel(&kernel, &initrd, cmdline, &hashes), 0);
        assert_published(&firmware, &input,
                         "7f51e17f72a04d5422cb2c00998166536019a217376f3aa4"
                         "5a630e59c805a599847ff250dbffcd07e1ba639771d6f05d");
}

static const uint32_t sections[][3] = {{0x800000, 0x2000, 1},
                                       {0x802000, 0x1000, 2},
                                       {0x803000, 0x1000, 3},
                                       {0x804000, 0x1000, 4},
                                       {0x805000, 0x1000, 0x10}};
static const ImageOvmf small = {.size = 0x3000,
                                .sev = sections,
                                .n_sev = ARRAY_SIZE(sections),
                                .reset_eip = 0x80b004,
                                .hashes_gpa = 0x805c00};

static int measure(const Image *image, bool kernel, uint32_t cpus, HashDigest *ret)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        _cleanup_(cvm_error_done) CvmError error = {};
        Register *reg = measurement_add(measurement, "LaunchDigest", HASH_SHA384);
        OvmfHashes hashes = {};
        SnpOvmf input = {.firmware = image_bytes(image),
                         .name = "firmware",
                         .hashes = kernel ? &hashes : NULL,
                         .cpus = cpus,
                         .cpu_signature = 0x800f12,
                         .features = 1};
        int r = snp_ovmf_measure(&input, reg, &error);

        assert_int_equal(r < 0, cvm_error_is_set(&error));
        if (r < 0)
                assert_int_equal(error.id, CVM_ERROR_ARTIFACT_INVALID);
        else if (ret)
                *ret = reg->value;
        return r;
}

/* The whole of a file is measured: the digest of its pages is that of the chain over all
 * of them. */
static void test_file(void **state)
{
        Image image = image_ovmf(&small);
        HashDigest before, after;

        assert_int_equal(measure(&image, true, 2, &before), 0);
        for (size_t i = 0; i < image.size; i += 97) {
                if (i > image.size - 0x900)
                        break;
                image.data[i] ^= 1;
                assert_int_equal(measure(&image, true, 2, &after), 0);
                image.data[i] ^= 1;
                assert_memory_not_equal(before.bytes, after.bytes, SHA384_SIZE);
        }
        assert_int_equal(measure(&image, true, 3, &after), 0);
        assert_memory_not_equal(before.bytes, after.bytes, SHA384_SIZE);
        assert_int_equal(measure(&image, false, 2, &after), 0);
        assert_memory_not_equal(before.bytes, after.bytes, SHA384_SIZE);
        image_done(&image);
}

static void test_metadata(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Image image = image_ovmf(&small);
        OvmfSev sev;

        assert_int_equal(ovmf_parse_sev(image_bytes(&image), "firmware", &sev, &error), 0);
        assert_int_equal(sev.n_sections, 5);
        assert_int_equal(sev.sections[4].gpa, 0x805000);
        assert_int_equal(sev.sections[4].type, OVMF_SECTION_KERNEL_HASHES);
        assert_int_equal(sev.reset_eip, 0x80b004);
        assert_int_equal(sev.hashes_gpa, 0x805c00);
        assert_true(ovmf_takes_hashes(&sev));
        sev.hashes_gpa = 0x804c00;
        assert_false(ovmf_takes_hashes(&sev));
        sev.hashes_gpa = 0x806000;
        assert_false(ovmf_takes_hashes(&sev));
        sev.hashes_gpa = 0x805f51; /* the table would end behind the page */
        assert_false(ovmf_takes_hashes(&sev));
        sev.hashes_gpa = 0x805f50;
        assert_true(ovmf_takes_hashes(&sev));
        image_done(&image);
}

static void refused(const ImageOvmf *ovmf, bool kernel, uint32_t cpus)
{
        Image image = image_ovmf(ovmf);

        assert_int_equal(measure(&image, kernel, cpus, NULL), -EBADMSG);
        image_done(&image);
}

static void test_refused(void **state)
{
        static const uint32_t bad[][3] = {
                {0x800001, 0x1000, 1}, {0x800000, 0x1001, 1},    {0x800000, 0, 1},
                {0x800000, 0x1000, 7}, {0x800000, 0x2000, 2},    {0xfffff000, 0x2000, 1},
                {0, 0x10001000, 1},    {0x800000, 0x2000, 0x10},
        };
        static const uint32_t overlap[][3] = {{0x800000, 0x3000, 1}, {0x802000, 0x1000, 2}};
        static const uint32_t sum[][3] = {{0x800000, 0x8001000, 1}, {0x10000000, 0x8000000, 1}};
        ImageOvmf ovmf = small;

        ovmf.n_sev = 4; /* without the section for hashes */
        refused(&ovmf, true, 1);
        ovmf = small;
        ovmf.hashes_gpa = 0;
        refused(&ovmf, true, 1);
        ovmf = small;
        ovmf.reset_eip = 0;
        refused(&ovmf, true, 2);
        ovmf.sev = NULL;
        refused(&ovmf, false, 1);
        ovmf.n_sev = 1;
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                ovmf.sev = &bad[i];
                refused(&ovmf, false, 1);
        }
        ovmf.sev = overlap;
        ovmf.n_sev = 2;
        refused(&ovmf, false, 1);
        ovmf.sev = sum;
        refused(&ovmf, false, 1);
}

/* Offsets and lengths that lead outside. */
static void test_hostile(void **state)
{
        size_t end = small.size - 32;
        size_t offsets[] = {end - 18,               /* length of the table */
                            end - 18 - 18,          /* of the entry before it */
                            small.size - 0x800,     /* "ASEV" */
                            small.size - 0x800 + 4, /* length */
                            small.size - 0x800 + 8, /* version */
                            small.size - 0x800 + 12 /* sections */};

        for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
                Image image = image_ovmf(&small);

                le16_put(image.data + offsets[i], 0xffff);
                assert_int_equal(measure(&image, true, 1, NULL), -EBADMSG);
                le16_put(image.data + offsets[i], i < 2 ? 0 : 1);
                if (offsets[i] != small.size - 0x800 + 8 && offsets[i] != small.size - 0x800 + 12)
                        assert_int_equal(measure(&image, true, 1, NULL), -EBADMSG);
                image_done(&image);
        }
}

/* From the front, so that the table of GUIDs stays: what it points to goes away. */
static void test_truncated(void **state)
{
        Image image = image_ovmf(&small);

        for (size_t n = 0; n < image.size; n++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                uint8_t *cut = malloc(n ?: 1);
                OvmfSev sev;
                int r;

                assert_non_null(cut);
                memcpy(cut, image.data + image.size - n, n);
                r = ovmf_parse_sev((Bytes){cut, n}, "firmware", &sev, &error);
                assert_int_equal(r, n < 0x800 ? -EBADMSG : 0);
                free(cut);
        }
        image_done(&image);
}

static void test_models(void **state)
{
        static const struct {
                const char *model;
                uint32_t signature;
        } good[] = {
                {"EPYC", 0x800f12},       {"EPYC-v4", 0x800f12},      {"EPYC-IBPB", 0x800f12},
                {"EPYC-Rome", 0x830f10},  {"EPYC-Rome-v2", 0x830f10}, {"EPYC-Milan-v1", 0xa00f11},
                {"EPYC-Genoa", 0xa10f10}, {"0x00a00f12", 0xa00f12},
        };
        static const char *const bad[] = {"",         "epyc",        "EPYC-",      "EPYC-v0",
                                          "EPYC-v99", "EPYC-v44",    "host",       "0x",
                                          "0xg",      "0x100000000", "EPYC-Rome ", "EPYC-IBPB-v1"};
        uint32_t signature;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                assert_int_equal(vmsa_cpu_signature(good[i].model, &signature), 0);
                assert_int_equal(signature, good[i].signature);
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(vmsa_cpu_signature(bad[i], &signature), -EINVAL);
}

#define ID_KEY_X                                                                                   \
        "b20fd1a1c2bd2b65183a76e2390ac805f6d8e5e2af725e5a8e93cf87ec029f9d45eb326b04b92beb714e14fa" \
        "986f8a9a"
#define ID_KEY_Y                                                                                   \
        "2c94a0b8ab30cc76352675944876891e954ff6ef5826a6231ba6d6d7f6ebfb68ce330e1e59394efb7080883d" \
        "dc69364b"

/* tests/test_id_block.py of sev-snp-measure: its ID key, and the digest of it. */
static void test_id_block(void **state)
{
        static const uint8_t expected_tail[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0};
        IdBlock block = {.launch_digest = {HASH_SHA384, {1, 2, 3}},
                         .family_id = {4},
                         .image_id = {5},
                         .policy = 0x30000};
        uint8_t encoded[ID_BLOCK_SIZE], key[ID_KEY_SIZE], x[48], y[48];
        HashDigest digest;
        _cleanup_free_ char *text = NULL;

        id_block_encode(&block, encoded);
        assert_memory_equal(encoded, block.launch_digest.bytes, 48);
        assert_int_equal(encoded[48], 4);
        assert_int_equal(encoded[64], 5);
        assert_memory_equal(encoded + 80, expected_tail, 16);

        unhex(ID_KEY_X, x, 48);
        unhex(ID_KEY_Y, y, 48);
        id_block_encode_key(x, y, key);
        assert_int_equal(id_block_key_digest(key, &digest), 0);
        text = text_base64(digest.bytes, SHA384_SIZE);
        assert_string_equal(text,
                            "hwt+NcU/inLQ0yL3WrKvgmJ5Kq9leWIs5BMcPyHyied8sFYKXjuQs5MuZ07HCcsU");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_public_vectors), cmocka_unit_test(test_real_hardware),
                cmocka_unit_test(test_file),           cmocka_unit_test(test_metadata),
                cmocka_unit_test(test_refused),        cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_truncated),      cmocka_unit_test(test_models),
                cmocka_unit_test(test_id_block),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
