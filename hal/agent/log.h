/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The guest's log is the kernel's: it reaches the console, where there is one, and dmesg. */

#include "base/macros.h"

/* One line, without its end. Errors reach a console that is `quiet`, what is only worth knowing
 * does not. */
void log_info(const char *format, ...) _printf_(1, 2);
void log_error(const char *format, ...) _printf_(1, 2);
