/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/table_trust.h"

void table_trust_done(TableTrust *table_trust)
{
        certificates_done(&table_trust->leaf);
        certificates_done(&table_trust->others);
}

static int table_trust_take(const CertificateTable *table, TableCertificate which,
                            Certificates *certificates, json_object *used, CvmError *error)
{
        size_t before = certificates->n;
        int r = certificate_table_load(table, which, certificates, error);

        if (r < 0 || certificates->n == before)
                return r;
        return json_object_array_add(used, json_object_new_string(table_certificate_name(which))) <
                               0
                       ? -ENOMEM
                       : 0;
}

int table_trust_fill(TableTrust *table_trust, const CertificateTable *table,
                     const SnpReport *report, Trust *trust, json_object *used, CvmError *error)
{
        bool vlek = report->signing_key == SNP_SIGNED_BY_VLEK;
        int r = 0;

        if (!trust->leaf)
                r = table_trust_take(table, vlek ? TABLE_VLEK : TABLE_VCEK, &table_trust->leaf,
                                     used, error);
        if (r == 0 && trust->others->n == 0) {
                r = table_trust_take(table, TABLE_ASK, &table_trust->others, used, error);
                if (r == 0)
                        r = table_trust_take(table, TABLE_ARK, &table_trust->others, used, error);
                if (table_trust->others.n > 0)
                        trust->others = &table_trust->others;
        }
        if (r == 0 && table_trust->leaf.n > 0)
                trust->leaf = table_trust->leaf.items[0];
        return r;
}
