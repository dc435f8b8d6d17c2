/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm.h"

#include <string.h>

#include "measure/bytes.h"
#include "measure/igvm_check.h"
#include "measure/igvm_checksum.h"

static const char *parse_fixed(Igvm *igvm)
{
        const uint8_t *p = igvm->file.data;
        size_t fixed_size;

        if (igvm->file.size < IGVM_FIXED_SIZE_1 || memcmp(p, "IGVM", 4) != 0)
                return "not an IGVM file";
        igvm->version = le32_get(p + 4);
        if (igvm->version != 1 && igvm->version != 2)
                return "an IGVM file of an unknown format version";
        fixed_size = igvm->version == 1 ? IGVM_FIXED_SIZE_1 : IGVM_FIXED_SIZE_2;
        if (igvm->file.size < fixed_size)
                return "truncated: shorter than its IGVM fixed header";
        igvm->headers_offset = le32_get(p + 8);
        igvm->headers_size = le32_get(p + 12);
        if (le32_get(p + 16) != igvm->file.size)
                return "truncated or padded: its IGVM header states a different size";
        if (igvm->headers_offset < fixed_size || igvm->headers_offset % 8 ||
            !bytes_contain(igvm->file, igvm->headers_offset, igvm->headers_size))
                return "its IGVM variable headers lie outside the file";
        igvm->architecture = igvm->version == 1 ? 0 : le32_get(p + 24);
        if (igvm->architecture != 0)
                return "an IGVM file for another architecture than x86-64";
        if (igvm->version == 2 && le32_get(p + 28) != IGVM_PAGE_SIZE)
                return "an IGVM file with a page size other than 4096";
        if (igvm->headers_offset + (uint64_t)igvm->headers_size == igvm->file.size)
                return "has no data behind its IGVM headers";
        if (le32_get(p + 20) != igvm_checksum(p))
                return "its IGVM headers do not match their checksum";
        return NULL;
}

int igvm_read(Bytes file, const char *name, Igvm *ret, CvmError *error)
{
        Igvm igvm = {.file = file};
        const char *reason = parse_fixed(&igvm);
        int r;

        if (reason)
                return cvm_error_artifact(error, name, "%s", reason);
        r = igvm_check_headers(&igvm, name, error);
        if (r == 0)
                *ret = igvm;
        return r;
}

int igvm_parse(Bytes file, const char *name, Igvm *ret, CvmError *error)
{
        Igvm igvm;
        int r = igvm_read(file, name, &igvm, error);

        if (r == 0)
                r = igvm_check_known(&igvm, name, error);
        if (r == 0)
                *ret = igvm;
        return r;
}
