/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The root of an image with a service manager, as the first process of its initramfs makes it.
 *
 * The initramfs has layers: EROFS file systems that lie over each other, read-only, below a file
 * system in memory that takes what is written. The file ROOT_LAYERS lists them, one a line, the
 * lowest first: a file name, a space and the file's size. It is the last entry of the initramfs, so
 * that a machine whose memory is too small for all of it is noticed: the kernel itself goes on. An
 * empty file `full` comes before the first process: it says that there should be layers.
 */

#include "base/macros.h"

#define ROOT_LAYERS "/root.layers"
#define ROOT_LAYERS_MAX 7 /* a loop device each, of the eight that the kernel makes */

typedef struct RootLayer {
        char path[64]; /* in the initramfs */
        size_t size;
} RootLayer;

typedef struct RootLayers {
        RootLayer layers[ROOT_LAYERS_MAX];
        size_t n_layers;
} RootLayers;

/* Returns 0 or -EBADMSG. */
int root_parse_layers(const char *text, RootLayers *ret);

/* 0 if the file has `size` bytes and none of them is missing; else -ENOSPC or -errno. */
int root_check_layer(const char *path, size_t size);

/* Whether this initramfs has layers, even if all of them were cut off. */
bool root_has_layers(void);

/* Makes the root, mounts the shares in it and becomes the service manager. If that fails, it says
 * why in a notification, and the machine ends. Returns never. */
_Noreturn void root_run(void);
