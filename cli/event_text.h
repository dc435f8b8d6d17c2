/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Events in words. */

#include <json-c/json.h>

/* What happened, as a sentence about the CVM: "failed: the guest panicked". Text of others is
 * escaped. Newly allocated; NULL without memory. event: type Event of the interface. */
char *event_text(json_object *event);
