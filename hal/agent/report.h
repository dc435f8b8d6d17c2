/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Attestation reports by the kernel's TSM interface
 * (Documentation/ABI/testing/configfs-tsm-report), the same for SEV-SNP and TDX. */

#include "base/macros.h"

#define REPORT_ROOT "/sys/kernel/config/tsm/report"
#define REPORT_NONCE_SIZE 64 /* REPORT_DATA of SEV-SNP, REPORTDATA of TDX */

typedef struct Report {
        char *provider;   /* owned: sev_guest, tdx_guest, … */
        uint8_t *outblob; /* owned */
        size_t size;
} Report;

/* A report over exactly these 64 bytes. Returns 0, -ENOENT (no such interface here), -EIO or
 * another -errno of the kernel's. */
int report_get(const char *root, const uint8_t nonce[static REPORT_NONCE_SIZE], Report *ret);

void report_done(Report *report);
