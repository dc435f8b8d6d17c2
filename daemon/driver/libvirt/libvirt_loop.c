/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/libvirt/libvirt_loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define EVENT_TICK_MSEC 60000

static const LibvirtCalls *libvirt;
static int result = -EIO;
static const char *failure = "libvirt's event loop cannot be started";

static void on_tick(int timer, void *userdata)
{
}

static void ignore_error(void *userdata, virErrorPtr error)
{
}

static void *run_events(void *userdata)
{
        for (;;)
                if (libvirt->virEventRunDefaultImpl() < 0)
                        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        return NULL;
}

int libvirt_loop_thread(void *(*run)(void *), void *userdata)
{
        sigset_t all, before;
        pthread_t thread;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&thread, NULL, run, userdata);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                pthread_detach(thread);
        return -r;
}

static void start(void)
{
        libvirt = libvirt_calls(&failure);
        if (!libvirt)
                return;
        if (libvirt->virInitialize() < 0 || libvirt->virEventRegisterDefaultImpl() < 0)
                return;
        libvirt->virSetErrorFunc(NULL, ignore_error);
        /* something to wake it is always there */
        if (libvirt->virEventAddTimeout(EVENT_TICK_MSEC, on_tick, NULL, NULL) >= 0)
                result = libvirt_loop_thread(run_events, NULL);
}

bool libvirt_loop_runs(void)
{
        return result == 0;
}

const LibvirtCalls *libvirt_loop_start(const char **ret_reason)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, start);
        if (result == 0)
                return libvirt;
        *ret_reason = failure;
        return NULL;
}
