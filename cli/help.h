/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Help, made from the table of verbs (ended by {}). verb NULL: all verbs. json: as JSON. */

#include <stdio.h>

#include "verb.h"

void help_print(const Verb *verbs, const Verb *verb, bool json);
