/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/certificate_table.h"

#include <string.h>

#define GUID_SIZE 16
#define ENTRY_SIZE 24

static const struct {
        const char *name;
        uint8_t guid[GUID_SIZE];
} known[_TABLE_CERTIFICATE_MAX] = {
        [TABLE_VCEK] = {"VCEK",
                        {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9,
                         0x3b, 0xe8, 0xac, 0xcd}},
        [TABLE_VLEK] = {"VLEK",
                        {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0,
                         0x45, 0xa0, 0xb8, 0xa1}},
        [TABLE_ASK] = {"ASK",
                       {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae,
                        0xf3, 0x27, 0xc7, 0x82}},
        [TABLE_ARK] = {"ARK",
                       {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6,
                        0x01, 0x4c, 0xd0, 0xae}},
};

const char *table_certificate_name(TableCertificate which)
{
        return known[which].name;
}

/* How many entries come before the one of zeros. */
static int certificate_table_count(Bytes bytes, size_t *ret, CvmError *error)
{
        static const uint8_t end[ENTRY_SIZE];

        for (size_t n = 0; n <= CERTIFICATE_TABLE_MAX; n++) {
                if (!bytes_contain(bytes, n * ENTRY_SIZE, ENTRY_SIZE))
                        return cvm_error_artifact(error, "report",
                                                  "its certificate table has no end marker");
                if (memcmp(bytes.data + n * ENTRY_SIZE, end, ENTRY_SIZE) == 0) {
                        *ret = n;
                        return 0;
                }
        }
        return cvm_error_artifact(error, "report", "its certificate table has more than %d entries",
                                  CERTIFICATE_TABLE_MAX);
}

static int certificate_table_add(CertificateTable *table, const uint8_t *guid, Bytes item,
                                 CvmError *error)
{
        for (size_t i = 0; i < _TABLE_CERTIFICATE_MAX; i++) {
                if (memcmp(known[i].guid, guid, GUID_SIZE) != 0)
                        continue;
                if (table->items[i].data)
                        return cvm_error_artifact(error, "report",
                                                  "its certificate table has the %s twice",
                                                  known[i].name);
                table->items[i] = item;
                return 0;
        }
        table->n_others++;
        return 0;
}

static int refuse_rest(Bytes bytes, CvmError *error)
{
        return cvm_error_artifact(error, "report",
                                  "%zu bytes follow the report that are neither zeros nor a "
                                  "certificate table",
                                  bytes.size);
}

int certificate_table_parse(Bytes bytes, CertificateTable *ret, CvmError *error)
{
        CertificateTable table = {};
        size_t n = 0, begin;
        int r;

        if (bytes.size < ENTRY_SIZE) /* such as the end of a line */
                return refuse_rest(bytes, error);
        r = certificate_table_count(bytes, &n, error);
        if (r < 0)
                return r;
        if (n == 0)
                return refuse_rest(bytes, error);
        begin = (n + 1) * ENTRY_SIZE;
        for (size_t i = 0; r == 0 && i < n; i++) {
                const uint8_t *entry = bytes.data + i * ENTRY_SIZE;
                uint32_t offset = le32_get(entry + GUID_SIZE);
                uint32_t size = le32_get(entry + GUID_SIZE + 4);

                if (size == 0)
                        continue;
                if (offset < begin || !bytes_contain(bytes, offset, size))
                        return cvm_error_artifact(error, "report",
                                                  "entry %zu of its certificate table is outside: "
                                                  "%u bytes at %u of %zu",
                                                  i, size, offset, bytes.size);
                r = certificate_table_add(&table, entry, (Bytes){bytes.data + offset, size}, error);
        }
        if (r == 0)
                *ret = table;
        return r;
}

int certificate_table_load(const CertificateTable *table, TableCertificate which,
                           Certificates *certificates, CvmError *error)
{
        _cleanup_(cvm_error_done) CvmError reason = {};
        _cleanup_free_ char *message = NULL;
        int r;

        if (!table->items[which].data)
                return 0;
        r = certificates_add(certificates, known[which].name, table->items[which], &reason);
        if (r != -EBADMSG)
                return r;
        message = cvm_error_message(&reason);
        return cvm_error_artifact(error, "report", "its certificate table: %s",
                                  message ?: "a malformed certificate");
}
