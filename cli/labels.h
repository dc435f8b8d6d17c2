/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* --label NAME=VALUE: of launch, list and events. */

#include <json-c/json.h>

#include "arguments.h"

/* Whether it is NAME=VALUE. */
bool labels_is_label(const char *text);

/* Puts each label into `labels`, an object (NULL: they are only checked). Returns EXIT_OK, or the
 * status of what it printed. */
ExitStatus labels_read(const Cli *cli, const OptionValues *values, json_object *labels);
