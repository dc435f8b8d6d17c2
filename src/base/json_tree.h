/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The only call of json-c's parser. Callers use json_parse(), which scans the text first. */

#include <json-c/json.h>

#include "base/macros.h"

/* Has json-c make the tree of a text of at most INT_MAX bytes that json_scan() has
 * accepted. Returns 0; -EBADMSG, with the offset at which json-c ended and its reason
 * (static); or -ENOMEM. */
int json_tree_new(const char *data, size_t size, json_object **ret, size_t *ret_end,
                  const char **ret_reason);
