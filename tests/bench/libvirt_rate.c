/* SPDX-License-Identifier: Apache-2.0 */
#include "libvirt_rate.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_LIBVIRT
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <time.h>

struct LibvirtRate {
        virConnectPtr connections[LIBVIRT_CONNECTIONS_MAX];
        virDomainPtr domains[LIBVIRT_CONNECTIONS_MAX];
        size_t n;
};

/* A thread's calls. */
typedef struct Calls {
        pthread_t thread;
        virConnectPtr connection; /* to list, or NULL */
        virDomainPtr domain;
        double end;
        size_t n;
} Calls;

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail_call(const char *what)
{
        fprintf(stderr, "bench: %s: %s\n", what, virGetLastErrorMessage());
        exit(1);
}

static void list_domains(virConnectPtr connection)
{
        virDomainPtr *domains;
        int n = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

        if (n < 0)
                fail_call("virConnectListAllDomains");
        for (int i = 0; i < n; i++)
                virDomainFree(domains[i]);
        free(domains);
}

static void *run_calls(void *userdata)
{
        Calls *calls = userdata;
        virDomainInfo info;

        while (now() < calls->end) {
                if (calls->connection)
                        list_domains(calls->connection);
                else if (virDomainGetInfo(calls->domain, &info) < 0)
                        fail_call("virDomainGetInfo");
                calls->n++;
        }
        return NULL;
}

static double run_threads(Calls *calls, size_t n, double seconds)
{
        double begin = now();
        size_t total = 0;

        for (size_t i = 0; i < n; i++) {
                calls[i].end = begin + seconds;
                if (pthread_create(&calls[i].thread, NULL, run_calls, &calls[i]) != 0) {
                        perror("pthread_create");
                        exit(1);
                }
        }
        for (size_t i = 0; i < n; i++) {
                pthread_join(calls[i].thread, NULL);
                total += calls[i].n;
        }
        return (double)total / (now() - begin);
}

static void ignore_error(void *userdata, virErrorPtr error)
{
}

LibvirtRate *libvirt_rate_new(const char *uri, size_t n)
{
        LibvirtRate *rate = calloc(1, sizeof(*rate));

        if (!rate || n > LIBVIRT_CONNECTIONS_MAX)
                exit(1);
        virSetErrorFunc(NULL, ignore_error);
        for (; rate->n < n; rate->n++) {
                virDomainPtr *domains = NULL;
                virConnectPtr connection = virConnectOpen(uri);

                if (!connection || virConnectListAllDomains(connection, &domains,
                                                            VIR_CONNECT_LIST_DOMAINS_ACTIVE) < 1) {
                        fprintf(stderr, "bench: libvirt: %s: %s\n", uri, virGetLastErrorMessage());
                        free(domains);
                        return NULL;
                }
                rate->connections[rate->n] = connection;
                rate->domains[rate->n] = domains[0];
                free(domains);
        }
        return rate;
}

double libvirt_rate_info(LibvirtRate *rate, double seconds)
{
        return libvirt_rate_info_threads(rate, 1, seconds);
}

double libvirt_rate_info_threads(LibvirtRate *rate, size_t n, double seconds)
{
        Calls calls[LIBVIRT_CONNECTIONS_MAX] = {};

        for (size_t i = 0; i < n; i++)
                calls[i].domain = rate->domains[0];
        return run_threads(calls, n, seconds);
}

double libvirt_rate_info_connections(LibvirtRate *rate, double seconds)
{
        Calls calls[LIBVIRT_CONNECTIONS_MAX] = {};

        for (size_t i = 0; i < rate->n; i++)
                calls[i].domain = rate->domains[i];
        return run_threads(calls, rate->n, seconds);
}

double libvirt_rate_list(LibvirtRate *rate, double seconds)
{
        Calls calls = {.connection = rate->connections[0]};

        return run_threads(&calls, 1, seconds);
}

#else

LibvirtRate *libvirt_rate_new(const char *uri, size_t n)
{
        fprintf(stderr, "bench: this build has no libvirt\n");
        return NULL;
}

double libvirt_rate_info(LibvirtRate *rate, double seconds)
{
        return 0;
}

double libvirt_rate_info_threads(LibvirtRate *rate, size_t n, double seconds)
{
        return 0;
}

double libvirt_rate_info_connections(LibvirtRate *rate, double seconds)
{
        return 0;
}

double libvirt_rate_list(LibvirtRate *rate, double seconds)
{
        return 0;
}

#endif
