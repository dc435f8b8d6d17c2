/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The file that names DNS servers to programs, see resolv.conf(5). */

#include <netinet/in.h>

#include "base/macros.h"

#define RESOLVER_FILE "/run/resolv.conf"

/* Replaces the file whole. Returns 0 or -errno. */
int resolver_write(const char *path, const struct in_addr *servers, size_t n);
