/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A text as a tree of json-c's objects. Callers use json_parse(), which scans the text first.
 *
 * json-c's own parser is not used: it makes a parser and a locale for each text, and of members of
 * the same name it keeps the last and frees the others as they are, which may be secrets. Here no
 * value is copied anywhere but into the tree.
 */

#include <json-c/json.h>

#include "base/macros.h"

/* Makes the tree of a text of at most INT_MAX bytes that json_scan() has accepted; *ret is NULL for
 * null. Returns 0; -EEXIST for a member that is given twice, with the offset of the second one's
 * name in *ret_at; or -ENOMEM. The strings of what is given up are cleared. */
int json_tree_new(const char *data, size_t size, json_object **ret, size_t *ret_at);
