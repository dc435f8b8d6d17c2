/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tap interfaces (Linux Documentation/networking/tuntap) that QEMU gets by descriptor. Which ones a
 * CVM may have, the configuration says: the caller checks. */

#include "base/error.h"

/* Opens the existing tap `name`, or, with `bridge`, makes a new one ("cvmN", gone with the
 * descriptor) and puts it on that bridge. One of the two is NULL. Returns the fd or -errno with the
 * error set. */
int tap_open(const char *name, const char *bridge, CvmError *error);
