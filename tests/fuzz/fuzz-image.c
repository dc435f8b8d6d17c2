/* SPDX-License-Identifier: Apache-2.0 */

/* The manifest of an image. What is accepted is within its bounds. */

#include <stdlib.h>
#include <string.h>

#include "artifact/image.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *reason = NULL;
        Image image = {};
        int r = image_parse((const char *)data, size, &image, &reason);

        if (r == 0 &&
            (reason || !image.files[IMAGE_KERNEL].name || !image.files[IMAGE_INITRAMFS].name ||
             strlen(image.version) > IMAGE_TEXT_MAX || strlen(image.release) > IMAGE_TEXT_MAX ||
             image.memory_min > INT64_MAX))
                abort();
        if (r == -EBADMSG && !reason)
                abort();
        free(reason);
        image_done(&image);
        return 0;
}
