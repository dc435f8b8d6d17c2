/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Memory files (memfd_create(2)): anonymous, and once sealed unchangeable. */

#include "base/macros.h"

/* A new empty memfd, CLOEXEC, sealable. `name` shows in /proc only. Returns the fd or -errno. */
int memfd_new(const char *name);
/* Forbids every later change (F_SEAL_WRITE, GROW, SHRINK, SEAL). Returns 0 or -errno. */
int memfd_seal(int fd);
/* A sealed memfd of these bytes. Returns the fd or -errno. */
int memfd_from_bytes(const char *name, const void *data, size_t size);
