/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The specs of cvm@.service, which `run` launches by their names: NAME.json or NAME.yaml in
 * /etc/cvmd/cvms.
 */

#include "arguments.h"

#define NAMED_SPECS "/etc/cvmd/cvms"

/* The file of the name, newly allocated. Returns EXIT_OK, or the status of what it printed: if
 * there is none, or both, or the directory cannot be read. */
ExitStatus named_spec_find(const Cli *cli, const char *name, char **ret);
/* Calls the function with each name that has a file, if the directory can be read. */
void named_spec_each(void (*take)(void *userdata, const char *name), void *userdata);
