/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes CBOR (RFC 8949) by libcbor's encoders, with definite lengths and shortest forms. If the
 * caller writes map keys in ascending order, the result is in the core deterministic encoding
 * (section 4.2.1).
 *
 * A failure is remembered; cbor_writer_finish() returns it.
 */

#include "base/text.h"

typedef struct CborWriter {
        Buffer buffer;
        bool failed; /* without memory */
} CborWriter;

void cbor_writer_done(CborWriter *writer);
/* 0, or -ENOMEM if anything failed. The bytes move to the caller, who frees them. */
int cbor_writer_finish(CborWriter *writer, uint8_t **ret, size_t *ret_size);

void cbor_put_int(CborWriter *writer, int64_t value);
void cbor_put_bytes(CborWriter *writer, const void *data, size_t size);
void cbor_put_text(CborWriter *writer, const char *text); /* UTF-8 */
/* Begins an array of `n` items, or a map of `n` pairs, which follow. */
void cbor_begin_array(CborWriter *writer, size_t n);
void cbor_begin_map(CborWriter *writer, size_t n);
void cbor_put_tag(CborWriter *writer, uint64_t tag); /* of the next item */
/* A byte string of what `inner` holds (".cbor" in CDDL), which is empty after. */
void cbor_put_wrapped(CborWriter *writer, CborWriter *inner);
