/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The faults of a spec, collected in one InvalidSpec: `field` and `reason` are those of the first
 * fault, and `errors` lists them all, up to FAULTS_MAX; one more entry, without a field, then says
 * how many are left out.
 *
 * fault_add() and fault_add_near() return 0, so that a check continues with the next field: a
 * function that collects returns a negative errno only for what ends it, such as -ENOMEM. Whoever
 * began with an unset error asks fault_result() at the end. An error that is set to anything but
 * InvalidSpec stays as it is.
 */

#include "base/error.h"

#define FAULTS_MAX 32 /* entries of `errors` that name a field */

int fault_add(CvmError *error, const char *field, const char *format, ...) _printf_(3, 4);
/* suggestion: the name or value that was probably meant, or NULL. */
int fault_add_near(CvmError *error, const char *field, const char *suggestion, const char *format,
                   ...) _printf_(4, 5);

/* -EINVAL if the error is set, else 0. */
int fault_result(const CvmError *error);
