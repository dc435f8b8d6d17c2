/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Help, made from the table of verbs (ended by {}). verb NULL: all verbs. */

#include <stdio.h>

#include "verb.h"

void help_print(const Verb *verbs, const Verb *verb);
