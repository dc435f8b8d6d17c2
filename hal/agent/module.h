/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Kernel modules: the image lists those that the guest uses, dependencies first, one path
 * a line. */

#define MODULE_LIST "/lib/modules/load"

/* Loads all of them. A module whose device this machine lacks is no error. */
void modules_load(void);
