/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tap interfaces (Linux Documentation/networking/tuntap) that QEMU gets by descriptor. Which ones a
 * CVM may have, the configuration says: the caller checks. */

#include "base/error.h"

typedef struct Tap {
        int fd;       /* owned; -1: none */
        int vhost_fd; /* owned; of /dev/vhost-net: the kernel moves the packets; -1: QEMU does */
} Tap;

/* Whether tap_open() finds an interface of the right kind, which is not touched. InvalidSpec,
 * SystemError. */
int tap_check(const char *name, const char *bridge, CvmError *error);
/* Opens the existing tap `name`, or, with `bridge`, makes a new one ("cvmN", gone with the
 * descriptor) and puts it on that bridge. One of the two is NULL. InvalidSpec: there is no such
 * interface; NoResources: the tap is in use; SystemError. */
int tap_open(const char *name, const char *bridge, bool vhost, Tap *ret, CvmError *error);
void tap_close(Tap *tap);
