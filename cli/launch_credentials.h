/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The credentials of a service (systemd.exec(5)) that a spec names. */

#include <json-c/json.h>

#include "arguments.h"
#include "base/error.h"

/* Puts the content of systemd's credentials where the object names them; for a render that has no
 * credentials, nothing. One that cannot be read is a fault, added to the error, and left empty.
 * Returns EXIT_OK, or the status of what it printed. */
ExitStatus launch_credentials_resolve(const Cli *cli, bool render, json_object *object,
                                      CvmError *error);
