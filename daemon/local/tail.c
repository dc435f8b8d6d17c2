/* SPDX-License-Identifier: Apache-2.0 */
#include "local/tail.h"

#include <string.h>

void tail_add(Tail *tail, const char *data, size_t size)
{
        Buffer *bytes = &tail->bytes;

        if (size > TAIL_BYTES) {
                data += size - TAIL_BYTES;
                size = TAIL_BYTES;
        }
        if (buffer_append(bytes, data, size) == 0 && bytes->size > TAIL_BYTES)
                buffer_consume(bytes, bytes->size - TAIL_BYTES);
}

const char *tail_text(Tail *tail)
{
        Buffer *bytes = &tail->bytes;

        while (bytes->size && strchr(" \r\n", bytes->data[bytes->size - 1]))
                bytes->data[--bytes->size] = 0;
        return bytes->data ?: "";
}

void tail_done(Tail *tail)
{
        buffer_done(&tail->bytes);
}
