/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Small images of each kind that src/measure reads, built from the formats' documents. All are
 * newly allocated; cmocka's test fails where there is no memory. */

#include "base/text.h"
#include "measure/bytes.h"
#include "measure/guid.h"

typedef struct Image {
        uint8_t *data;
        size_t size;
} Image;

static inline Bytes image_bytes(const Image *image)
{
        return (Bytes){image->data, image->size};
}

void image_done(Image *image);

/* A bzImage that is a PE32+ image with two sections, bytes between and after them, and, if
 * `certificates` is not 0, so many bytes of them at its end. Without a certificate directory entry
 * if `directories` is below 5. */
#define IMAGE_KERNEL_PE 0x80            /* offset of its PE signature */
#define IMAGE_KERNEL_CHECKSUM 0xd8      /* of CheckSum */
#define IMAGE_KERNEL_CERTIFICATES 0x128 /* of the certificate directory entry */
#define IMAGE_KERNEL_HEADERS 0x400      /* SizeOfHeaders */
#define IMAGE_KERNEL_STUB 0xd00         /* of the stub's code, for all that a stub measures */
#define IMAGE_KERNEL_STUB_SIZE 0x80
#define IMAGE_KERNEL_PAYLOAD 0xe00 /* of the compressed kernel */
#define IMAGE_KERNEL_PAYLOAD_SIZE 0x100
Image image_kernel(uint32_t directories, uint32_t certificates);
/* Writes at offset what the code of a stub has that measures the initramfs, and the load options
 * too if `options`, by these protocols. */
void image_kernel_stub(const Image *image, size_t offset, bool options, bool tcg2, bool cc);

/* An OVMF image of whole pages of noise with a table of GUIDs at its end. */
typedef struct ImageOvmf {
        size_t size;
        const uint32_t (*sev)[3]; /* {gpa, size, type}; NULL: no SEV metadata */
        size_t n_sev;
        const uint64_t (*tdx)[6]; /* {offset, size, gpa, memory size, type, attributes}; likewise */
        size_t n_tdx;
        uint32_t reset_eip, hashes_gpa; /* 0: no such entry */
} ImageOvmf;

Image image_ovmf(const ImageOvmf *ovmf);

/* An IGVM file in the making. */
typedef struct ImageIgvm {
        Buffer headers, data;
} ImageIgvm;

#define IMAGE_IGVM_DATA 0x4000 /* room for headers before the data */

void image_igvm_platform(ImageIgvm *igvm, uint32_t mask, uint8_t vtl, uint8_t type);
void image_igvm_header(ImageIgvm *igvm, uint32_t type, const void *body, uint32_t size);
void image_igvm_policy(ImageIgvm *igvm, uint32_t mask, uint64_t policy);
/* `fill` is the value of all bytes of the data; -1: the page has none. flags: 1 = 2 MiB, 2 =
 * unmeasured. */
void image_igvm_page(ImageIgvm *igvm, uint32_t mask, uint64_t gpa, int fill, uint32_t flags,
                     uint16_t type);
/* A header that writes a parameter into an area. */
void image_igvm_parameter(ImageIgvm *igvm, uint32_t type, uint32_t index, uint32_t offset);
void image_igvm_area(ImageIgvm *igvm, uint32_t index, uint64_t size);
void image_igvm_insert(ImageIgvm *igvm, uint32_t mask, uint64_t gpa, uint32_t index);
void image_igvm_vp(ImageIgvm *igvm, uint32_t mask, uint64_t gpa, uint16_t index,
                   const uint8_t *page);
/* A start context that QEMU can give KVM: that of 32-bit code at 0x10000. */
void image_vmsa(uint8_t ret[static 4096]);
/* The file, version 1 or 2; igvm is empty after. */
Image image_igvm_finish(ImageIgvm *igvm, uint32_t version);
/* Corrects the checksum after a change of the headers. */
void image_igvm_seal(Image *file);
