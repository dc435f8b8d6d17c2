/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <stdarg.h>

#include "base/json.h"
#include "base/text.h"

static json_object *fault_new(const char *field, const char *suggestion, const char *reason)
{
        return json_build("field", json_new_text(field), "reason", json_new_text(reason),
                          "suggestion", suggestion ? json_new_text(suggestion) : NULL, NULL);
}

/* The first fault. */
static void fault_begin(CvmError *error, const char *field, const char *suggestion,
                        const char *reason)
{
        cvm_error_invalid_spec(error, field, "%s", reason);
        if (suggestion)
                json_object_array_put_idx(json_member(error->fields, "errors"), 0,
                                          fault_new(field, suggestion, reason));
        error->faults = 1;
}

/* Another one. */
static void fault_append(CvmError *error, const char *field, const char *suggestion,
                         const char *reason)
{
        json_object *errors = json_member(error->fields, "errors");
        _cleanup_free_ char *rest = NULL;

        if (++error->faults <= FAULTS_MAX) {
                json_object_array_add(errors, fault_new(field, suggestion, reason));
                return;
        }
        rest = text_format("%u more errors are not listed", error->faults - FAULTS_MAX);
        json_object_array_put_idx(errors, FAULTS_MAX, fault_new("", NULL, rest ?: ""));
}

int fault_add_near(CvmError *error, const char *field, const char *suggestion, const char *format,
                   ...)
{
        _cleanup_free_ char *reason = NULL;
        va_list ap;

        va_start(ap, format);
        reason = text_format_v(format, ap);
        va_end(ap);
        if (!cvm_error_is_set(error))
                fault_begin(error, field, suggestion, reason ?: "");
        else if (error->id == CVM_ERROR_INVALID_SPEC)
                fault_append(error, field, suggestion, reason ?: "");
        return 0;
}

int fault_result(const CvmError *error)
{
        return cvm_error_is_set(error) ? -EINVAL : 0;
}
