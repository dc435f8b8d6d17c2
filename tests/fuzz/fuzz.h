/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A fuzz target (https://llvm.org/docs/LibFuzzer.html) is a file fuzz-NAME.c that defines this
 * function, and a directory corpus/NAME with inputs. It must leave nothing behind: memory,
 * descriptors and handles are released before it returns.
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
