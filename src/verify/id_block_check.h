/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether an ID block is signed as SEV-SNP's firmware requires at
 * SNP_LAUNCH_FINISH (id_block.h). */

#include "measure/id_block.h"

/* has_author: the author key is enabled, so that its signature counts. NULL: it is; else what is
 * wrong, as the end of a sentence (static). */
const char *id_block_check(const uint8_t block[static ID_BLOCK_SIZE],
                           const uint8_t auth[static ID_AUTH_SIZE], bool has_author);
