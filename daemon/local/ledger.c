/* SPDX-License-Identifier: Apache-2.0 */
#include "local/ledger.h"

#include <pthread.h>

#include "host/host.h"

typedef struct Account {
        uid_t uid;
        uint64_t bytes;
} Account;

struct Ledger {
        pthread_mutex_t lock;
        const char *what;
        Account *accounts; /* of users who have something */
        size_t n, allocated;
        uint64_t reserved;
};

Ledger *ledger_new(const char *what)
{
        Ledger *ledger = calloc(1, sizeof(*ledger));

        if (!ledger)
                return NULL;
        ledger->what = what;
        pthread_mutex_init(&ledger->lock, NULL); /* cannot fail without attributes */
        return ledger;
}

Ledger *ledger_free(Ledger *ledger)
{
        if (!ledger)
                return NULL;
        pthread_mutex_destroy(&ledger->lock);
        free(ledger->accounts);
        free(ledger);
        return NULL;
}

/* With the lock held, as are the next two. NULL: the user has nothing. */
static Account *ledger_find(Ledger *ledger, uid_t uid)
{
        for (size_t i = 0; i < ledger->n; i++)
                if (ledger->accounts[i].uid == uid)
                        return &ledger->accounts[i];
        return NULL;
}

static int ledger_add_account(Ledger *ledger, uid_t uid, uint64_t bytes)
{
        Account *account = ledger_find(ledger, uid);

        if (!account && ledger->n == ledger->allocated) {
                size_t allocated = ledger->allocated ? 2 * ledger->allocated : 8;
                Account *grown = reallocarray(ledger->accounts, allocated, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                ledger->accounts = grown;
                ledger->allocated = allocated;
        }
        if (!account) {
                account = &ledger->accounts[ledger->n++];
                *account = (Account){.uid = uid};
        }
        account->bytes += bytes;
        return 0;
}

static void ledger_take_off(Ledger *ledger, uid_t uid, uint64_t bytes)
{
        Account *account = ledger_find(ledger, uid);

        if (!account)
                return;
        account->bytes -= bytes < account->bytes ? bytes : account->bytes;
        if (account->bytes == 0)
                *account = ledger->accounts[--ledger->n];
}

static int ledger_check_account(Ledger *ledger, uid_t uid, uint64_t bytes, const LedgerBound *bound,
                                CvmError *error)
{
        const Account *account = ledger_find(ledger, uid);
        uint64_t used = account ? account->bytes : 0, owed = ledger->reserved, free;

        if (bound->limit && (used > bound->limit || bytes > bound->limit - used))
                return cvm_error_quota(error, ledger->what, (int64_t)bound->limit, (int64_t)used,
                                       (int64_t)bytes);
        if (!bound->of_host)
                return 0;
        free = host_memory_available("");
        if (free == 0) /* the host does not report it */
                return 0;
        free = free > owed ? free - owed : 0;
        if (bytes > free)
                return cvm_error_no_resources(error, "memory", (int64_t)bytes, (int64_t)free, NULL);
        return 0;
}

int ledger_reserve(Ledger *ledger, uid_t uid, uint64_t bytes, const LedgerBound *bound,
                   CvmError *error)
{
        int r;

        if (bytes == 0)
                return 0;
        pthread_mutex_lock(&ledger->lock);
        r = ledger_check_account(ledger, uid, bytes, bound, error);
        if (r == 0 && (r = ledger_add_account(ledger, uid, bytes)) < 0)
                cvm_error_system(error, r, "count memory to its user");
        if (r == 0)
                ledger->reserved += bytes;
        pthread_mutex_unlock(&ledger->lock);
        return r;
}

void ledger_cancel(Ledger *ledger, uid_t uid, uint64_t bytes)
{
        if (bytes == 0)
                return;
        pthread_mutex_lock(&ledger->lock);
        ledger_take_off(ledger, uid, bytes);
        ledger->reserved -= bytes;
        pthread_mutex_unlock(&ledger->lock);
}

uint64_t ledger_used(Ledger *ledger, uid_t uid)
{
        const Account *account;
        uint64_t bytes;

        pthread_mutex_lock(&ledger->lock);
        account = ledger_find(ledger, uid);
        bytes = account ? account->bytes : 0;
        pthread_mutex_unlock(&ledger->lock);
        return bytes;
}

uint64_t ledger_reserved(Ledger *ledger)
{
        uint64_t reserved;

        pthread_mutex_lock(&ledger->lock);
        reserved = ledger->reserved;
        pthread_mutex_unlock(&ledger->lock);
        return reserved;
}

void ledger_settle(Ledger *ledger, uint64_t bytes)
{
        pthread_mutex_lock(&ledger->lock);
        ledger->reserved -= bytes;
        pthread_mutex_unlock(&ledger->lock);
}

void ledger_give_back(Ledger *ledger, uid_t uid, uint64_t bytes)
{
        pthread_mutex_lock(&ledger->lock);
        ledger_take_off(ledger, uid, bytes);
        pthread_mutex_unlock(&ledger->lock);
}

void ledger_count(Ledger *ledger, uid_t uid, uint64_t bytes)
{
        pthread_mutex_lock(&ledger->lock);
        if (bytes)
                (void)ledger_add_account(ledger, uid, bytes);
        pthread_mutex_unlock(&ledger->lock);
}
