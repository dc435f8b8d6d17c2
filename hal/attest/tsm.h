/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Attestation reports by the files of the kernel's TSM interface
 * (Documentation/ABI/testing/configfs-tsm-report), of this guest and of its SVSM. */

#include "lack.h"

#define TSM_ROOT "/sys/kernel/config/tsm/report"
#define TSM_DATA_SIZE 64 /* REPORT_DATA of SEV-SNP, REPORTDATA of TDX, an SVSM's nonce */
#define TSM_REPORT_MAX 65536
#define TSM_CERTIFICATES_MAX 262144
#define TSM_MANIFEST_MAX 65536

typedef struct TsmBlob {
        char *data; /* owned; NULL: there is none */
        size_t size;
} TsmBlob;

typedef struct TsmReport {
        char provider[64];
        int privilege;        /* the VMPL that was asked for; -1: the kernel has no such choice */
        TsmBlob report;       /* outblob */
        TsmBlob certificates; /* auxblob; may be missing */
        TsmBlob manifest;     /* of an SVSM's services */
} TsmReport;

void tsm_report_done(TsmReport *report);

/* A report over these 64 bytes at the highest privilege that this guest may ask for. Returns 0, or
 * -errno with the reason (-ENOENT: this machine makes no reports). */
int tsm_get_report(const char *root, const uint8_t data[static TSM_DATA_SIZE], TsmReport *ret,
                   Lack *lack);

/* A report of the SVSM over SHA-512(data || manifest), about its vTPM alone (`single`) or about
 * all its services, which is all that older ones know. Returns as above (-ENOENT: no SVSM). */
int tsm_get_service_report(const char *root, const uint8_t data[static TSM_DATA_SIZE], bool single,
                           TsmReport *ret, Lack *lack);
