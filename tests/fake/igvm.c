/* SPDX-License-Identifier: Apache-2.0 */
/* The object igvm-cfg: as much of QEMU 10.2's loader (backends/igvm.c) and of libigvm as refuses a
 * file, in their words. */
#include "fake/fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libigvm's results. */
enum {
        INVALID_FIXED_HEADER = 16,
        INVALID_HEADER_SECTION = 17,
        INVALID_CHECKSUM = 18,
};

/* Of initialization and directive headers; those of platforms are looked at apart. */
static const struct {
        uint32_t type;
        bool loads; /* QEMU's loader has a handler */
} types[] = {
        {0x101, true},  {0x102, false}, {0x103, false}, {0x301, true},  {0x302, true},
        {0x303, true},  {0x304, true},  {0x305, true},  {0x307, true},  {0x308, false},
        {0x309, false}, {0x30a, false}, {0x30b, true},  {0x30c, true},  {0x30d, false},
        {0x30e, false}, {0x30f, false}, {0x310, false}, {0x311, false}, {0x312, false},
        {0x313, true},
};

static uint32_t get32(const uint8_t *p)
{
        return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void refuse(const char *path, int64_t result) __attribute__((noreturn));
static void refuse(const char *path, int64_t result)
{
        fprintf(stderr, "%s: Unable to parse IGVM file %s: -%lld\n", program, path,
                (long long)result);
        exit(1);
}

static uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        return crc;
}

static bool is_sealed(const uint8_t *file, size_t fixed)
{
        uint32_t crc = crc32_add(UINT32_MAX, file, 20);

        crc = crc32_add(crc, (const uint8_t[4]){}, 4);
        crc = crc32_add(crc, file + 24, fixed - 24);
        crc = crc32_add(crc, file + get32(file + 8), get32(file + 12));
        return ~crc == get32(file + 20);
}

/* The first header that the loader has no handler for; 0: none. Ends at what libigvm refuses. */
static uint32_t find_unknown(const char *path, const uint8_t *p, size_t size)
{
        uint32_t unknown = 0;

        while (size >= 8) {
                uint32_t type = get32(p), length = get32(p + 4);
                size_t i = 0, step = 8 + (((size_t)length + 7) & ~(size_t)7);

                if (length > size - 8)
                        refuse(path, INVALID_HEADER_SECTION);
                while (i < ARRAY_SIZE(types) && types[i].type != type)
                        i++;
                if (type != 1 && i == ARRAY_SIZE(types))
                        refuse(path, INVALID_HEADER_SECTION);
                if (type != 1 && !types[i].loads && !unknown)
                        unknown = type;
                p += step < size ? step : size;
                size -= step < size ? step : size;
        }
        return unknown;
}

bool has_igvm(void)
{
        return strstr(program, "igvm") != NULL;
}

void igvm_load(const char *path, int64_t result)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st = {};
        uint32_t unknown;
        uint8_t *file;
        size_t size, fixed;

        if (fd < 0 || fstat(fd, &st) < 0) {
                fprintf(stderr, "%s: Unable to load %s: Failed to open file “%s”: %s\n", program,
                        path, path, strerror(errno));
                exit(1);
        }
        if (result > 0)
                refuse(path, result);
        size = (size_t)st.st_size;
        file = must_have(malloc(size + 1));
        if (pread(fd, file, size, 0) != st.st_size || size < 32 || memcmp(file, "IGVM", 4) != 0 ||
            get32(file + 4) - 1 > 1 || get32(file + 16) != size || get32(file + 8) > size ||
            get32(file + 12) > size - get32(file + 8))
                refuse(path, INVALID_FIXED_HEADER);
        fixed = get32(file + 4) == 1 ? 24 : 32;
        if (!is_sealed(file, fixed))
                refuse(path, INVALID_CHECKSUM);
        unknown = find_unknown(path, file + get32(file + 8), get32(file + 12));
        if (unknown) {
                fprintf(stderr,
                        "%s: IGVM: Unknown header type encountered when processing file: (type "
                        "0x%X)\n",
                        program, unknown);
                exit(1);
        }
        free(file);
        close(fd);
}
