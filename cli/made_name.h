/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The name of a CVM whose user gave none, "calm-otter-6b1b": made from the id of the CVM, so that a
 * launch that is repeated with its id has the same name. Newly allocated; NULL without memory. */
char *made_name(const char *id);
