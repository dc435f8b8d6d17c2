/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Finds the line by which a Linux kernel reports its panic in what a guest writes to its console:
 * "Kernel panic - not syncing: REASON" (kernel/panic.c), at the start of a line or after the prefix
 * that printk gives it: "[    1.234567] ", with CONFIG_PRINTK_CALLER "[    1.234567][    T1] ".
 *
 * The guest controls every byte. The finder keeps the first PANIC_LINE_MAX bytes of the current
 * line and nothing else; a longer line is cut. A guest whose kernel has not panicked can write such
 * a line, too: the line may be reported, but must not decide anything.
 */

#include "base/macros.h"

#define PANIC_LINE_MAX 256u /* bytes of a line that are kept, prefixes included */

typedef struct PanicLine {
        char data[PANIC_LINE_MAX];
        size_t size; /* bytes of the current line, at most PANIC_LINE_MAX */
} PanicLine;

/* Reads the next bytes of the console. Returns the first panic line that ends in them, from "Kernel
 * panic" on and without its line end, as UTF-8 (other bytes are replaced); newly allocated, NULL if
 * there is none or without memory. The bytes after that line are not read. Start with zeros. */
char *panic_line_feed(PanicLine *line, const char *data, size_t size);
