/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The verbs of cvmctl: the table that main() passes to the code that requires all of them. */

#include "verb.h"

extern const Verb verbs[]; /* ended by {} */
