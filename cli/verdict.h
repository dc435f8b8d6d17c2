/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Prints what was found out about an attestation, in text or JSON. */

#include "arguments.h"
#include "verify/verify.h"

/* Returns the exit status of the verdict. */
ExitStatus verdict_print(const Cli *cli, const Verification *verification);
