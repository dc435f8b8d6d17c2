/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lines of `status`, and those of the spec that a CVM was launched with. */

#include <json-c/json.h>

#include "base/macros.h"

#define STATUS_TITLE_WIDTH 15

/* "Title: text", wrapped on a terminal; "-" for NULL. */
void status_spec_line(const char *title, const char *text);
/* The member of an object, as text or as a point in time, unless it is absent. */
void status_spec_member(json_object *object, const char *title, const char *key);
void status_spec_time(json_object *object, const char *title, const char *key);

/* What the spec gives and the Cvm itself does not show; NULL: the daemon has no spec of it. */
void status_spec_print(json_object *spec);
