/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The rates of libvirt's calls, for the benchmark api. Without libvirt at build time there are
 * none. */

#include <stddef.h>

#define LIBVIRT_CONNECTIONS_MAX 64

typedef struct LibvirtRate LibvirtRate;

/* Connects `n` times; the first domain that runs is the one asked about. NULL: why not is said. */
LibvirtRate *libvirt_rate_new(const char *uri, size_t n);
/* Calls a second. */
double libvirt_rate_info(LibvirtRate *rate, double seconds); /* virDomainGetInfo, one at a time */
/* The same by `n` threads on one connection, which is how libvirt's clients pipeline. */
double libvirt_rate_info_threads(LibvirtRate *rate, size_t n, double seconds);
double libvirt_rate_info_connections(LibvirtRate *rate, double seconds); /* a thread for each */
double libvirt_rate_list(LibvirtRate *rate, double seconds); /* virConnectListAllDomains */
