/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Verbs that ask once and print an array of the reply: a table, or with --json the array. */

#include "arguments.h"
#include "output.h"
#include "table.h"

/* Takes parameters (NULL: {}). `member` is the array's name in the reply. */
ExitStatus reply_table(const Cli *cli, const char *method, json_object *parameters,
                       const char *member, const TableColumn *columns, TableRow row);

/* The member of a reply; if it is absent or of another type, prints that the peer broke the
 * interface and returns NULL. Borrowed. */
json_object *reply_member(const Cli *cli, json_object *reply, const char *member, json_type type);
