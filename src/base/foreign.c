/* SPDX-License-Identifier: Apache-2.0 */
#include "base/foreign.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/macros.h"

#define STACK_SIZE (64u << 10)

typedef struct Closing {
        size_t n;
        int fds[];
} Closing;

static atomic_uint n_closers;

static void *run(void *userdata)
{
        Closing *closing = userdata;

        for (size_t i = 0; i < closing->n; i++)
                close(closing->fds[i]);
        free(closing);
        n_closers--;
        return NULL;
}

/* Signals are for the thread that began it. */
static int start(Closing *closing)
{
        sigset_t all, before;
        pthread_attr_t attr;
        pthread_t thread;
        int r;

        sigfillset(&all);
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&thread, &attr, run, closing);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        return -r;
}

void foreign_close(const int *fds, size_t n)
{
        Closing *closing;
        size_t given = 0;

        for (size_t i = 0; i < n; i++)
                given += fds[i] >= 0;
        if (given == 0)
                return;
        closing = malloc(sizeof(*closing) + given * sizeof(int));
        if (!closing)
                return;
        closing->n = 0;
        for (size_t i = 0; i < n; i++)
                if (fds[i] >= 0)
                        closing->fds[closing->n++] = fds[i];
        if (++n_closers <= FOREIGN_CLOSERS_MAX && start(closing) == 0)
                return;
        n_closers--;
        free(closing);
}
