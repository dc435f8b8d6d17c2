/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is shown of a Cvm of the interface, as texts for people: newly allocated, NULL without
 * memory. They and the colours have the types of a TableColumn's functions.
 */

#include <json-c/json.h>

#include "base/macros.h"

/* The states of a Cvm, as an Option has choices. */
#define CVM_STATES "preparing starting running paused stopping restarting stopped failed"

/* The state and, once it has ended, why and when: "running", "failed: guest-panic, 5 min ago",
 * "restarting: guest-reset, in 12 s". */
char *cvm_text_state(json_object *cvm, const char *key);
const char *cvm_text_state_colour(json_object *cvm, const char *key);

/* "yes", "no", or "-" for a daemon that does not report it. */
const char *cvm_text_confidential_colour(json_object *cvm, const char *key);

/* How long ago the time that the member `key` has was: "5m". */
char *cvm_text_age(json_object *cvm, const char *key);

/* The name of the user whose uid the member has, or the uid. */
char *cvm_text_user(json_object *cvm, const char *key);

/* Whether the guest has reported READY, and the forwards: "-" if it does not run. */
char *cvm_text_ready(json_object *cvm, const char *key);
char *cvm_text_forwards(json_object *cvm, const char *key);

/* A member of the Cvm by its path, such as "memory", "ending.reason" or "labels.tier". NULL: it is
 * absent. Borrowed. */
json_object *cvm_text_find(json_object *cvm, const char *path);
/* The same as a text: sizes and times for people, all else as in JSON. */
char *cvm_text_field(json_object *cvm, const char *path);

/* Calls the function with the path of each field of Cvm that begins with `typed`; members of fields
 * come only after a first letter, as there are many. */
void cvm_text_each_field(const char *typed, void (*take)(void *userdata, const char *path),
                         void *userdata);

/* Whether the path names a field of Cvm, or a member of one. If it does not, *ret_suggestion is the
 * path that is probably meant, newly allocated, or NULL. */
bool cvm_text_has_field(const char *path, char **ret_suggestion);
