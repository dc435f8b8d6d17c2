/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/svsm_manifest.h"

#include "measure/guid.h"
#include "verify/reader.h"

static const Guid services =
        GUID(0x63849ebb, 0x3d92, 0x4670, 0xa1, 0xff, 0x58, 0xf9, 0xc9, 0x4b, 0x87, 0xbb);
static const Guid vtpm =
        GUID(0xc476f1eb, 0x0123, 0x45a5, 0x96, 0x41, 0xb4, 0xe7, 0xdd, 0xe5, 0xbf, 0xe3);

static int svsm_manifest_take_entry(Reader *reader, Bytes manifest, size_t table, Bytes *ret,
                                    CvmError *error)
{
        Bytes guid = reader_take_bytes(reader, GUID_SIZE);
        uint32_t offset = reader_take32(reader), size = reader_take32(reader);

        if (reader->failed)
                return cvm_error_artifact(error, "svsm-manifest", "is truncated");
        if (offset < table || !bytes_contain(manifest, offset, size))
                return cvm_error_artifact(error, "svsm-manifest",
                                          "has an entry that points outside of it");
        if (!bytes_equal(guid, vtpm.bytes, GUID_SIZE))
                return 0;
        if (ret->data)
                return cvm_error_artifact(error, "svsm-manifest", "names two vTPMs");
        *ret = (Bytes){manifest.data + offset, size};
        return 0;
}

int svsm_manifest_find_vtpm(Bytes manifest, Bytes *ret, CvmError *error)
{
        Reader reader = {.rest = manifest};
        Bytes guid = reader_take_bytes(&reader, GUID_SIZE), found = {};
        uint32_t size = reader_take32(&reader), n = reader_take32(&reader);
        int r = 0;

        if (reader.failed || !bytes_equal(guid, services.bytes, GUID_SIZE))
                return cvm_error_artifact(error, "svsm-manifest",
                                          "is not a manifest of an SVSM's services");
        if (size != manifest.size)
                return cvm_error_artifact(error, "svsm-manifest",
                                          "has %zu bytes, but says that it has %u", manifest.size,
                                          size);
        if (n > SVSM_SERVICES_MAX)
                return cvm_error_artifact(error, "svsm-manifest", "names %u services", n);
        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = svsm_manifest_take_entry(&reader, manifest, (n + 1) * (GUID_SIZE + 8), &found,
                                             error);
        if (r < 0)
                return r;
        if (!found.data)
                return cvm_error_artifact(error, "svsm-manifest", "names no vTPM");
        *ret = found;
        return 0;
}
