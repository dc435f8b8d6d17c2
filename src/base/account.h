/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The account to which a uid's use of shared resources is counted. One person may have many uids
 * (subuid(5)); a process that knows which uids belong together sets the table of accounts before
 * its first client connects. A resource stays counted to its account until it is given back, even
 * if the table changes meanwhile. Thread-safe.
 */

#include <sys/types.h>

typedef uid_t (*AccountOf)(const void *table, uid_t uid);

/* of: NULL makes each uid its own account again, which is the default. The table is borrowed until
 * the next call; once this function returns, no thread reads the previous table. */
void account_set(AccountOf of, const void *table);
/* Root is always its own account. */
uid_t account_of(uid_t uid);
