/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The faults of a spec, collected in one InvalidSpec: `field` and `reason` are those of the first
 * fault, and `errors` lists them all, up to FAULTS_MAX; one more entry, without a field, then says
 * how many are left out.
 *
 * A caller begins with an unset error, adds faults, and asks fault_result() at the end. An error
 * that is set to anything but InvalidSpec stays as it is. A function that collects faults returns a
 * negative errno only for what prevents further checks, such as -ENOMEM.
 */

#include "base/error.h"

#define FAULTS_MAX 32 /* entries of `errors` that name a field */

/* suggestion: the name or value that was probably meant, or NULL. Returns 0, so that a check can
 * continue with the next field. */
int fault_add_near(CvmError *error, const char *field, const char *suggestion, const char *format,
                   ...) _printf_(4, 5);
#define fault_add(error, field, ...) fault_add_near(error, field, NULL, __VA_ARGS__)

/* -EINVAL if the error is set, else 0. */
int fault_result(const CvmError *error);
