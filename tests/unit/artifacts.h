/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files that look like artifacts. */

#include <sys/mman.h>

#include "artifact/artifact.h"

#define BZIMAGE_SETUP 1024u /* bytes before the protected-mode code: setup_sects 1 */
#define BZIMAGE_SIZE 8192u

/* A bzImage header as of protocol 2.15 in front of zeros. */
static inline void make_bzimage(uint8_t data[static BZIMAGE_SIZE])
{
        uint32_t units = (BZIMAGE_SIZE - BZIMAGE_SETUP) / 16;

        memset(data, 0, BZIMAGE_SIZE);
        data[0x1f1] = BZIMAGE_SETUP / 512 - 1;
        memcpy(data + 0x1f4, &units, sizeof(units));
        data[0x1fe] = 0x55;
        data[0x1ff] = 0xaa;
        memcpy(data + 0x202, "HdrS\x0f\x02", 6);
        data[0x211] = 1;
}

/* An unsealed file in memory. */
static inline int make_file(const void *data, size_t size)
{
        int fd = memfd_create("test", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        return fd;
}

/* The reason of this ArtifactInvalid contains the part; the error is unset after. */
static inline void assert_artifact_error(CvmError *error, const char *part)
{
        json_object *reason = NULL;

        assert_int_equal(error->id, CVM_ERROR_ARTIFACT_INVALID);
        json_object_object_get_ex(error->fields, "reason", &reason);
        if (!strstr(json_object_get_string(reason), part))
                fail_msg("'%s' is not in '%s'", part, json_object_get_string(reason));
        cvm_error_done(error);
}
