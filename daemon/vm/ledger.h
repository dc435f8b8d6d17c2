/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes of the host's memory that users have beside that of their CVMs, counted to each: one ledger
 * for the artifacts that came from files, one for environments and certificates.
 *
 * What is loaded is reserved before it is copied, and stays so until it is a CVM's or dropped. A
 * CVM's artifacts count from then to its end; bytes that several CVMs of a user boot from count
 * once, for they are one memory file. Embedded artifacts are nobody's. A CVM that a record tells of
 * counts as its record says. ledger_reserve() and ledger_cancel() are thread-safe, all else is the
 * loop's.
 */

#include <sys/types.h>

#include "base/error.h"
#include "spec/spec.h"

typedef struct Ledger Ledger;
typedef struct Vm Vm;

/* `what` names it in QuotaExceeded; static. NULL without memory. */
Ledger *ledger_new(const char *what);
Ledger *ledger_free(Ledger *ledger);

typedef struct LedgerBound {
        uint64_t limit; /* bytes; 0: none */
        bool of_host;   /* the host must have that memory now, beside all that is reserved */
} LedgerBound;

/* QuotaExceeded where the user would have more than the limit, NoResources (memory) where the host
 * has not so much left. */
int ledger_reserve(Ledger *ledger, uid_t uid, uint64_t bytes, const LedgerBound *bound,
                   CvmError *error);
void ledger_cancel(Ledger *ledger, uid_t uid, uint64_t bytes);
/* What is reserved in all. */
uint64_t ledger_reserved(Ledger *ledger);

/* A reserved artifact becomes the CVM's, whose digest of that kind is set. */
void ledger_hold_artifact(Vm *vm, SpecArtifactKind kind, uint64_t bytes);
/* Reserved secrets become the CVM's. */
void ledger_hold_secrets(Vm *vm, uint64_t bytes);
/* What the record says that it has. */
void ledger_recover(Vm *vm);
/* It has none of that any more. */
void ledger_drop(Vm *vm);
/* Likewise the artifacts that an earlier daemon has loaded, which went with its QEMU. */
void ledger_drop_lost(Vm *vm);

/* In memory a file takes whole pages. */
static inline uint64_t ledger_pages(uint64_t bytes)
{
        return (bytes + 4095) / 4096 * 4096;
}
