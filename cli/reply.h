/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Calls whose reply has one member that a verb prints. */

#include "arguments.h"
#include "output.h"
#include "session.h"
#include "table.h"

/* Calls a method whose reply has an array and prints that: a table, or with --json the array. Takes
 * parameters (NULL: {}). `member` is the array's name in the reply. full: it is not fitted to the
 * terminal. empty: what is printed if the array is empty. */
ExitStatus reply_table(const Cli *cli, const char *method, json_object *parameters,
                       const char *member, const TableColumn *columns, bool full,
                       const char *empty);

/* The member of a reply; if it is absent or of another type, prints that the peer broke the
 * interface and returns NULL. Borrowed. */
json_object *reply_member(const Cli *cli, json_object *reply, const char *member, json_type type);

/* Asks for the measurement of a CVM, by what session_add_target() accepts. Returns EXIT_OK with the
 * Measurement in *ret (owned), or the status of the failure that it printed. */
ExitStatus reply_measurement(const Cli *cli, const char *name, json_object **ret);

/* Asks for the Status of a CVM. Returns EXIT_OK with the CVM in *ret (owned), with
 * its spec if with_spec is set, or the status of the failure that it printed. */
ExitStatus reply_cvm(const Cli *cli, const SessionTarget *target, bool with_spec,
                     json_object **ret);
