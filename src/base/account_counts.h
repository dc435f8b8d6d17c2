/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How much of something each account (base/account.h) has now: a table of fixed size, so that
 * counting takes no memory that could be missing. Whoever has one locks it.
 */

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_COUNTS_MAX 4096u /* accounts that have something at a time */

typedef struct AccountCounts {
        struct {
                uid_t account;
                unsigned n;
                bool used; /* now or before: a search continues behind it */
        } slots[ACCOUNT_COUNTS_MAX];
} AccountCounts;

/* False: as many other accounts have something, and this is not counted. */
bool account_counts_add(AccountCounts *counts, uid_t account);
/* Of what was counted. */
void account_counts_remove(AccountCounts *counts, uid_t account);
/* UINT_MAX: it would not be counted. */
unsigned account_counts_of(const AccountCounts *counts, uid_t account);
