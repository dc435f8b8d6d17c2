/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The certificates that a host puts behind an SEV-SNP report: entries of a GUID, an offset and a
 * length, ended by one of zeros, and what they point to. Whoever hands over the report may have
 * made them: they are as trusted as any file that is given.
 *
 * Source: AMD, "SEV-ES Guest-Hypervisor Communication Block Standardization" (document 56421),
 * "SNP Extended Guest Request"; Linux, Documentation/virt/coco/sev-guest.rst, SNP_GET_EXT_REPORT.
 * GUIDs have the order of bytes of their text (RFC 4122), and no other.
 */

#include "base/error.h"
#include "verify/certificates.h"

#define CERTIFICATE_TABLE_MAX 64 /* entries */

typedef enum TableCertificate {
        TABLE_VCEK,
        TABLE_VLEK,
        TABLE_ASK,
        TABLE_ARK,
        _TABLE_CERTIFICATE_MAX,
} TableCertificate;

/* "VCEK". */
const char *table_certificate_name(TableCertificate which);

typedef struct CertificateTable {
        Bytes items[_TABLE_CERTIFICATE_MAX]; /* DER or PEM, borrowed; not given: not in the table */
        size_t n_others;                     /* entries of GUIDs that are not known */
} CertificateTable;

/* ArtifactInvalid "report": not of that form, an entry that points outside or into the entries, a
 * certificate twice. */
int certificate_table_parse(Bytes bytes, CertificateTable *ret, CvmError *error);

/* Adds one of them, if the table has it. ArtifactInvalid "report" if it is not a certificate. */
int certificate_table_load(const CertificateTable *table, TableCertificate which,
                           Certificates *certificates, CvmError *error);
