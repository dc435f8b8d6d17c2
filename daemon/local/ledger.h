/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes of the host's memory that users have in addition to that of their CVMs, counted to each:
 * one ledger for the artifacts that came from files, one for environments and certificates, one for
 * the output of guests that waits for the disk.
 *
 * What is loaded is reserved before it is copied, and stays so until it is a CVM's (vm/charges.h)
 * or dropped. All functions but ledger_new() and ledger_free() are thread-safe.
 */

#include <sys/types.h>

#include "base/error.h"

typedef struct Ledger Ledger;

/* `what` names it in QuotaExceeded; static. NULL without memory. */
Ledger *ledger_new(const char *what);
Ledger *ledger_free(Ledger *ledger);

typedef struct LedgerBound {
        uint64_t limit; /* bytes; 0: none */
        bool of_host; /* the host must have that memory now, in addition to all that is reserved */
} LedgerBound;

/* QuotaExceeded where the user would have more than the limit, NoResources (memory) where the host
 * has not so much left. */
int ledger_reserve(Ledger *ledger, uid_t uid, uint64_t bytes, const LedgerBound *bound,
                   CvmError *error);
void ledger_cancel(Ledger *ledger, uid_t uid, uint64_t bytes);
/* What is counted to the user, reserved bytes included. */
uint64_t ledger_used(Ledger *ledger, uid_t uid);
/* What is reserved in all. */
uint64_t ledger_reserved(Ledger *ledger);

/* Reserved bytes stay counted, and are reserved no more. */
void ledger_settle(Ledger *ledger, uint64_t bytes);
/* Counts bytes that were not reserved, from a record. */
void ledger_count(Ledger *ledger, uid_t uid, uint64_t bytes);
/* The user does not have these bytes any more. */
void ledger_give_back(Ledger *ledger, uid_t uid, uint64_t bytes);

/* In memory a file takes whole pages. */
static inline uint64_t ledger_pages(uint64_t bytes)
{
        return (bytes + 4095) / 4096 * 4096;
}
