/* SPDX-License-Identifier: Apache-2.0 */
#include "base/account.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static AccountOf of_table;
static const void *of_all;

void account_set(AccountOf of, const void *table)
{
        pthread_mutex_lock(&lock);
        of_table = of;
        of_all = table;
        pthread_mutex_unlock(&lock);
}

uid_t account_of(uid_t uid)
{
        uid_t account = uid;

        if (uid == 0)
                return 0;
        pthread_mutex_lock(&lock);
        if (of_table)
                account = of_table(of_all, uid);
        pthread_mutex_unlock(&lock);
        return account;
}
