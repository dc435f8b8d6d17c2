/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where something stands in a text that json_scan() has accepted. */

#include "base/macros.h"

/* The offset of the name of the first member that its object has already; 0 if there is none. */
size_t json_place_duplicate(const char *data, size_t size);

/* The path of the scalar or member name that reaches over `offset`: "spec.env.A", "a[2].b", ""
 * for the value itself. Returns 0, -EBADMSG if nothing reaches over it, or -ENOMEM. */
int json_place_path(const char *data, size_t size, size_t offset, char **ret);

/* The line (from 1) on which the member named by a path such as "ports.first" or "a[2].b" begins in
 * a text that json_parse() accepted; 0 if there is none. For messages about configuration files. */
unsigned json_place_line(const char *data, size_t size, const char *path);
