/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/kernel_stub.h"

#include <string.h>

#include "measure/bytes.h"
#include "measure/guid.h"

#define SETUP_SECTORS 0x1f1
#define PAYLOAD_OFFSET 0x248 /* in the protected-mode part */
#define PAYLOAD_LENGTH 0x24c
#define SETUP_END 0x250
/* Immediates of one GUID are stored one after the other: what is between them is shorter. */
#define NEAR 128u

static const Guid tcg2_guid =
        GUID(0x607f766c, 0x7455, 0x42be, 0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f);
static const Guid cc_guid =
        GUID(0x96751a3d, 0x72f4, 0x41a6, 0xa7, 0x94, 0xed, 0x5d, 0x0e, 0x67, 0xae, 0x6b);

static bool kernel_stub_contains(Bytes part, const void *what, size_t size)
{
        return part.size >= size && memmem(part.data, part.size, what, size);
}

/* Whether all pieces of the GUID, of `piece` bytes each, stand near the first. */
static bool has_pieces(Bytes part, const Guid *guid, size_t piece)
{
        const uint8_t *p = part.data, *end = part.data + part.size;

        while (p < end && (p = memmem(p, (size_t)(end - p), guid->bytes, piece))) {
                const uint8_t *from = (size_t)(p - part.data) > NEAR ? p - NEAR : part.data;
                const uint8_t *to = (size_t)(end - p) > NEAR + piece ? p + NEAR + piece : end;
                size_t at = piece;

                while (at < GUID_SIZE && memmem(from, (size_t)(to - from), guid->bytes + at, piece))
                        at += piece;
                if (at == GUID_SIZE)
                        return true;
                p++;
        }
        return false;
}

static bool has_guid(Bytes part, const Guid *guid)
{
        return has_pieces(part, guid, 8) || has_pieces(part, guid, 4);
}

static void read_part(Bytes part, KernelStub *stub)
{
        static const char initrd[] = "Linux initrd", options[] = "LOADED_IMAGE::LoadOptions";

        stub->initrd = stub->initrd || kernel_stub_contains(part, initrd, sizeof(initrd));
        stub->options = stub->options || kernel_stub_contains(part, options, sizeof(options));
        stub->tcg2 = stub->tcg2 || has_guid(part, &tcg2_guid);
        stub->cc = stub->cc || has_guid(part, &cc_guid);
}

/* The compressed kernel; of no size at the end where the header names none within the file. */
static Bytes find_payload(Bytes kernel)
{
        Bytes none = {kernel.data + kernel.size, 0};
        uint64_t offset, length;

        if (kernel.size < SETUP_END || memcmp(kernel.data + 0x202, "HdrS", 4) != 0)
                return none;
        offset = ((kernel.data[SETUP_SECTORS] ?: 4) + 1) * 512ull +
                 le32_get(kernel.data + PAYLOAD_OFFSET);
        length = le32_get(kernel.data + PAYLOAD_LENGTH);
        return bytes_contain(kernel, offset, length) ? (Bytes){kernel.data + offset, length} : none;
}

KernelStub kernel_stub_read(Bytes kernel)
{
        Bytes payload = find_payload(kernel);
        const uint8_t *after = payload.data + payload.size;
        KernelStub stub = {};

        read_part((Bytes){kernel.data, (size_t)(payload.data - kernel.data)}, &stub);
        read_part((Bytes){after, (size_t)(kernel.data + kernel.size - after)}, &stub);
        return stub;
}
