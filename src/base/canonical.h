/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one text of a JSON value that has a digest: RFC 8785 (JSON Canonicalization Scheme). Pure.
 *
 * Members are sorted by the UTF-16 code units of their names, there is no white space, and only
 * what must be escaped is. Numbers are integers that a double holds exactly (RFC 7493,
 * section 2.2), for which ECMAScript's form is the plain decimal one; others are refused, not
 * rounded.
 */

#include <json-c/json.h>

#include "base/text.h"

#define CANONICAL_INTEGER_MAX ((1ll << 53) - 1)

/* Appends to *ret. -ERANGE: a number with a fraction or exponent, or beyond CANONICAL_INTEGER_MAX;
 * -EBADMSG: text that is not UTF-8, or nesting beyond JSON_DEPTH_MAX; -ENOMEM. After a failure the
 * content of *ret must not be used. */
int canonical_write(json_object *value, Buffer *ret);
