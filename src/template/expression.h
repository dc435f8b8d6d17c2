/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a template says by values, conditions and loops. */

#include "template/walk.h"

/* A value with its ${…} replaced; a reference of the caller's. */
int expression_value(Walk *walk, const Frame *frame, json_object *value, json_object **ret);
/* A condition: a variable's name, {"not": C}, {"all": [C…]}, {"any": [C…]}, {"equals": [A, B]}. */
int expression_condition(Walk *walk, const Frame *frame, json_object *condition, bool *ret);
/* The list that an object's `each` names and `as`, the name of its items; borrowed. */
int expression_each(Walk *walk, const Frame *frame, json_object *each, json_object **ret_list,
                    const char **ret_as);

/* What is made of a branch, the member of that name ("do", "else") of an item. */
typedef int WalkBranch(Walk *walk, const Frame *frame, json_object *item, const char *branch);
/* {"each": LIST, "as": NAME, "do": …}: the branch for each item of the list. */
int expression_walk_each(Walk *walk, const Frame *frame, json_object *item, WalkBranch *branch);
