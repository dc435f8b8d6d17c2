/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * To whom a uid's use of what all share is counted. One person may be many users (subuid(5)); a
 * process that knows which uids are whose says so here, before its first client. What is counted
 * keeps its account until it is given back, also where the table changes meanwhile. Thread-safe.
 */

#include <sys/types.h>

typedef uid_t (*AccountOf)(const void *table, uid_t uid);

/* of: NULL makes each uid its own account again, as it is at first. The table is borrowed until the
 * next call of this; no thread reads the one before once this returns. */
void account_set(AccountOf of, const void *table);
/* Root is always its own account. */
uid_t account_of(uid_t uid);
