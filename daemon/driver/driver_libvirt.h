/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What all CVMs of driver libvirt share: the link, and whom its news are for. */

#include "driver/driver.h"
#include "host/libvirt_facts.h"

/* uri: copied. 0 or -errno; nothing is connected before the first CVM. */
int libvirt_home_new(uv_loop_t *loop, const char *uri, LibvirtHome **ret);
/* In the loop's thread, before libvirt_home_facts(): 0 or -errno. */
int libvirt_home_begin(LibvirtHome *home);
/* As libvirt_link_facts(). */
int libvirt_home_facts(LibvirtHome *home, const char *emulator, LibvirtFacts *ret,
                       char **ret_reason);
/* After all its DriverVms are closed; frees in the loop's next rounds. Accepts NULL. */
void libvirt_home_close(LibvirtHome *home);
/* Whether threads are left that use libvirt, also after all homes were closed: exit(3) would run
 * the clean-up of its libraries beside them. */
bool libvirt_home_has_threads(void);
