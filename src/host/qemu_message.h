/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The meaning of QEMU's last messages that are a number or name nothing that a user could act on.
 *
 * Source: backends/igvm.c of QEMU (its messages) and enum IgvmResult in the C API of the Rust crate
 * igvm (the numbers).
 */

#include "base/macros.h"

/* `log`: the last lines of QEMU's stderr, or NULL. One clause without a full stop, static or in
 * `buffer`; NULL: there is nothing to explain. */
#define QEMU_MESSAGE_MAX 320
const char *qemu_message_explain(const char *log, char buffer[static QEMU_MESSAGE_MAX]);
