/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Checks of the interface, for people: a block each, wrapped to the terminal or, in a pipe, to 80
 * columns.
 *
 *     FAIL sev-snp
 *         found:    a CPU without SEV-SNP
 *         required: AMD SEV-SNP, enabled in firmware and kernel
 *         fix:      use a host with an AMD EPYC of the 7003 series or newer
 *
 * On a terminal, FAIL and OK have a symbol before them, and colours unless NO_COLOR is set.
 */

#include <json-c/json.h>
#include <stdio.h>

#include "base/macros.h"

/* The first line of a block: "OK   NAME", followed by ": NOTE" unless that is NULL. */
void check_block_title(FILE *stream, bool passed, const char *name, const char *note);

/* Prints an array of Check. Checks in succession of the same name and with the same finding have
 * one title. */
void check_block_list(FILE *stream, json_object *checks);
/* Prints what was found, what is required and the fix of one Check. */
void check_block_details(FILE *stream, json_object *check);
