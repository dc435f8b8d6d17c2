/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bytes in the form of text: hex (with 0x before any group of digits, or without) or base64 (RFC
 * 4648, both alphabets, padded or not), broken by white space anywhere. */

#include "measure/bytes.h"

/* Whether the bytes are text, which has no control characters but white space. */
bool evidence_text_is(Bytes bytes);
/* Where it begins behind white space; bytes.size - 1 if there is nothing else. size is not 0. */
size_t evidence_text_begin(Bytes text);

/* What the text stands for, owned by the caller, and how it is written ("hex", "base64"; static).
 * *ret is NULL if it is neither, or stands for less than any attestation has. 0 or -ENOMEM. */
int evidence_text_decode(Bytes text, uint8_t **ret, size_t *ret_size, const char **ret_encoding);
