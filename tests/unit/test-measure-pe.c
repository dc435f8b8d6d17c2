/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "measure-images.h"
#include "measure/pe.h"

static int parse(const Image *image, PeImage *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = pe_parse(image_bytes(image), "kernel", ret, &error);

        assert_int_equal(r < 0, cvm_error_is_set(&error));
        if (r < 0)
                assert_int_equal(error.id, CVM_ERROR_ARTIFACT_INVALID);
        return r;
}

static HashDigest hash_image(const Image *image)
{
        HashDigest digest;
        PeImage pe;

        assert_int_equal(parse(image, &pe), 0);
        assert_int_equal(pe_hash(&pe, HASH_SHA256, &digest), 0);
        return digest;
}

/* What the document says, piece by piece. */
static void test_pieces(void **state)
{
        static const struct {
                uint32_t directories, certificates;
        } cases[] = {{16, 0}, {16, 24}, {4, 0}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Image image = image_kernel(cases[i].directories, cases[i].certificates);
                _cleanup_(hash_freep) Hash *hash = hash_new(HASH_SHA256);
                const uint8_t *p = image.data;
                HashDigest expected, found = hash_image(&image);

                hash_update(hash, p, IMAGE_KERNEL_CHECKSUM);
                if (cases[i].directories > 4) {
                        hash_update(hash, p + IMAGE_KERNEL_CHECKSUM + 4,
                                    IMAGE_KERNEL_CERTIFICATES - IMAGE_KERNEL_CHECKSUM - 4);
                        hash_update(hash, p + IMAGE_KERNEL_CERTIFICATES + 8,
                                    IMAGE_KERNEL_HEADERS - IMAGE_KERNEL_CERTIFICATES - 8);
                } else {
                        hash_update(hash, p + IMAGE_KERNEL_CHECKSUM + 4,
                                    IMAGE_KERNEL_HEADERS - IMAGE_KERNEL_CHECKSUM - 4);
                }
                hash_update(hash, p + 0x600, 0x300);
                hash_update(hash, p + 0xa00, 0x200);
                /* from the sum of what was hashed, not from the last section's end */
                hash_update(hash, p + 0x900, 0x1003 - 0x900);
                assert_int_equal(hash_finish(hash, &expected), 0);
                assert_memory_equal(found.bytes, expected.bytes, SHA256_SIZE);
                image_done(&image);
        }
}

/* A changed byte changes the digest exactly if the document says that it is hashed. */
static void test_every_byte(void **state)
{
        Image image = image_kernel(16, 16);
        HashDigest before = hash_image(&image);

        for (size_t i = IMAGE_KERNEL_HEADERS - 1; i < image.size; i++) {
                bool hashed = i < IMAGE_KERNEL_HEADERS || (i >= 0x600 && i < 0x1003);
                HashDigest after;

                image.data[i] ^= 1;
                after = hash_image(&image);
                image.data[i] ^= 1;
                assert_int_equal(memcmp(&before, &after, sizeof(before)) != 0, hashed);
        }
        for (size_t i = 0; i < 4; i++) {
                HashDigest after;

                image.data[IMAGE_KERNEL_CHECKSUM + i] ^= 0xff;
                after = hash_image(&image);
                assert_memory_equal(before.bytes, after.bytes, SHA256_SIZE);
        }
        image_done(&image);
}

/* In a block of its own size, so that reading past its end is found. */
static void test_truncated(void **state)
{
        Image image = image_kernel(16, 16);

        for (size_t n = 0; n < image.size; n++) {
                Image cut = {.data = malloc(n ?: 1), .size = n};
                PeImage pe;

                assert_non_null(cut.data);
                memcpy(cut.data, image.data, n);
                if (n < 0xc00)
                        assert_int_equal(parse(&cut, &pe), -EBADMSG);
                else
                        parse(&cut, &pe);
                image_done(&cut);
        }
        image_done(&image);
}

static void refused(size_t offset, uint32_t value)
{
        Image image = image_kernel(16, 16);
        PeImage pe;

        le32_put(image.data + offset, value);
        assert_int_equal(parse(&image, &pe), -EBADMSG);
        image_done(&image);
}

static void test_hostile(void **state)
{
        refused(0, 0);             /* MZ */
        refused(0x3c, 0xfffffff0); /* where the PE header is */
        refused(0x3c, 0x1000);
        refused(IMAGE_KERNEL_PE, 0);             /* its signature */
        refused(IMAGE_KERNEL_PE + 4, 97u << 16); /* sections */
        refused(IMAGE_KERNEL_PE + 20, 0xffff);   /* size of the optional header */
        refused(IMAGE_KERNEL_PE + 20, 1);
        refused(IMAGE_KERNEL_PE + 20, 64);
        refused(IMAGE_KERNEL_PE + 24, 0x107);           /* its magic */
        refused(IMAGE_KERNEL_PE + 24 + 60, 0xffffffff); /* SizeOfHeaders */
        refused(IMAGE_KERNEL_PE + 24 + 60, 0x100);
        refused(IMAGE_KERNEL_PE + 24 + 108, 17);            /* directories */
        refused(IMAGE_KERNEL_CERTIFICATES + 4, 0xffffffff); /* size of the certificates */
        refused(IMAGE_KERNEL_CERTIFICATES + 4, 0x900);
        refused(IMAGE_KERNEL_PE + 24 + 112 + 128 + 20, 0xfffffff0); /* a section's offset */
        refused(IMAGE_KERNEL_PE + 24 + 112 + 128 + 16, 0xffffffff); /* its size */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pieces),
                cmocka_unit_test(test_every_byte),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_hostile),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
