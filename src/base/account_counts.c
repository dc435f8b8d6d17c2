/* SPDX-License-Identifier: Apache-2.0 */
#include "base/account_counts.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>

/* The account's slot; else the first free one that a search passes (SIZE_MAX: none). */
static size_t find_slot(const AccountCounts *counts, uid_t account)
{
        size_t first = SIZE_MAX;

        for (size_t tries = 0; tries < ACCOUNT_COUNTS_MAX; tries++) {
                size_t i = (account * UINT32_C(2654435761) + tries) % ACCOUNT_COUNTS_MAX;

                if (counts->slots[i].n > 0 && counts->slots[i].account == account)
                        return i;
                if (counts->slots[i].n == 0 && first == SIZE_MAX)
                        first = i;
                if (!counts->slots[i].used)
                        break;
        }
        return first;
}

bool account_counts_add(AccountCounts *counts, uid_t account)
{
        size_t i = find_slot(counts, account);

        if (i == SIZE_MAX)
                return false;
        counts->slots[i].account = account;
        counts->slots[i].used = true;
        counts->slots[i].n++;
        return true;
}

void account_counts_remove(AccountCounts *counts, uid_t account)
{
        size_t i = find_slot(counts, account);

        assert(i != SIZE_MAX && counts->slots[i].n > 0);
        counts->slots[i].n--;
}

unsigned account_counts_of(const AccountCounts *counts, uid_t account)
{
        size_t i = find_slot(counts, account);

        return i == SIZE_MAX ? UINT_MAX : counts->slots[i].n;
}
