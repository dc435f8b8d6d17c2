/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CvmError: what went wrong, as a client sees it.
 *
 * An error is one of the errors of io.cvmd.Manager.varlink (or of org.varlink.service) plus that
 * error's parameters. Nothing else is kept: the sentence that a person reads is made from these by
 * cvm_error_message(), in the daemon's log and in cvmctl alike.
 *
 * Functions that can fail for a reason a user must see take a `CvmError *error` (never NULL),
 * fill it with one of the setters below and return the setter's result, a negative errno. A setter
 * called on an error that is already set keeps the first one: the deepest cause wins.
 * An error is embedded (`_cleanup_(cvm_error_done) CvmError error = {};`) and reusable after
 * cvm_error_done().
 */

#include <json-c/json.h>

#include "base/macros.h"

typedef enum CvmErrorId {
        CVM_ERROR_NONE,
        /* io.cvmd.Manager */
        CVM_ERROR_NO_SUCH_CVM,
        CVM_ERROR_CVM_EXISTS,
        CVM_ERROR_IDEMPOTENCY_MISMATCH,
        CVM_ERROR_NOT_CONFIDENTIAL,
        CVM_ERROR_INVALID_SPEC,
        CVM_ERROR_ARTIFACT_INVALID,
        CVM_ERROR_TEMPLATE_INVALID,
        CVM_ERROR_HOST_NOT_READY,
        CVM_ERROR_NO_RESOURCES,
        CVM_ERROR_LAUNCH_FAILED,
        CVM_ERROR_WRONG_STATE,
        CVM_ERROR_SECRETS_GONE,
        CVM_ERROR_QUOTA_EXCEEDED,
        CVM_ERROR_TIMEOUT,
        CVM_ERROR_EVENTS_LOST,
        CVM_ERROR_SYSTEM,
        /* org.varlink.service */
        CVM_ERROR_INVALID_PARAMETER,
        CVM_ERROR_METHOD_NOT_FOUND,
        CVM_ERROR_INTERFACE_NOT_FOUND,
        CVM_ERROR_EXPECTED_MORE,
        CVM_ERROR_PERMISSION_DENIED,
        /* an error that this program does not know; its name is in CvmError.name */
        CVM_ERROR_OTHER,
        _CVM_ERROR_MAX,
} CvmErrorId;

typedef struct CvmError {
        CvmErrorId id;
        char *name;          /* wire name; owned; set for every error but NONE */
        json_object *fields; /* the error's parameters, an object; owned */
        unsigned faults;     /* of a spec, see base/fault.h */
} CvmError;

void cvm_error_done(CvmError *error);

static inline bool cvm_error_is_set(const CvmError *error)
{
        return error->id != CVM_ERROR_NONE;
}

/* The wire name of an error that this program knows, static; "" for NONE and OTHER. */
const char *cvm_error_name(CvmErrorId id);

/* Moves *from into *to, which must be unset. */
void cvm_error_move(CvmError *to, CvmError *from);

/* Sets any error; takes `fields` (NULL: none). Returns r, which must be negative. */
int cvm_error_set(CvmError *error, CvmErrorId id, int r, json_object *fields);

/* Sets an error received from a peer; both are borrowed. Unknown names become CVM_ERROR_OTHER.
 * Returns the errno that the setter of that error would have returned. */
int cvm_error_set_wire(CvmError *error, const char *name, json_object *fields);

/* The sentence for a person: one line, no final full stop, with the next step if there is one.
 * Control characters in what a peer sent are escaped. Newly allocated; NULL without memory. */
char *cvm_error_message(const CvmError *error);

/* One setter for each error; each returns the errno that its comment names. */
/* -ENOENT. name, id: what it was looked for by; NULL if not used. */
int cvm_error_no_such_cvm(CvmError *error, const char *name, const char *id);
/* -EEXIST. name: that is in use, or the id that is; id: of the CVM that has the name, or NULL if
 * nothing may be reported about it (anothers). */
int cvm_error_cvm_exists(CvmError *error, const char *name, const char *id, bool anothers);
/* -EEXIST. field: of the spec. */
int cvm_error_idempotency_mismatch(CvmError *error, const char *id, const char *field);
int cvm_error_not_confidential(CvmError *error, const char *platform); /* -EOPNOTSUPP */
/* -EINVAL. For one fault, after which nothing else is looked at; base/fault.h collects several. */
int cvm_error_invalid_spec(CvmError *error, const char *field, const char *format, ...)
        _printf_(3, 4);
int cvm_error_artifact(CvmError *error, const char *artifact, const char *format, ...)
        _printf_(3, 4); /* -EBADMSG */
int cvm_error_template(CvmError *error, const char *template, const char *format, ...)
        _printf_(3, 4); /* -EBADMSG */
int cvm_error_host(CvmError *error, const char *check, const char *found, const char *needed,
                   const char *fix); /* -EOPNOTSUPP */
/* holders: a JSON array of CVM names, taken; NULL: none. Units are the resource's own. */
int cvm_error_no_resources(CvmError *error, const char *resource, int64_t wanted, int64_t available,
                           json_object *holders); /* -ENOSPC */
/* log: the last lines of what failed, or NULL. */
int cvm_error_launch(CvmError *error, const char *stage, const char *log, const char *format, ...)
        _printf_(4, 5); /* -EIO */
/* allowed: a NULL-terminated array of state names. */
int cvm_error_wrong_state(CvmError *error, const char *name, const char *state,
                          const char *const *allowed);                         /* -EBUSY */
int cvm_error_secrets_gone(CvmError *error, const char *name, const char *id); /* -ENODATA */
int cvm_error_quota(CvmError *error, const char *resource, int64_t limit, int64_t used,
                    int64_t wanted);                                           /* -EDQUOT */
int cvm_error_timeout(CvmError *error, const char *stage, int64_t after_msec); /* -ETIMEDOUT */
int cvm_error_events_lost(CvmError *error, int64_t oldest);                    /* -ENODATA */
/* -ENODATA. The same error for a number that no event has yet. next: the one after the last. */
int cvm_error_events_ahead(CvmError *error, int64_t oldest, int64_t wanted, int64_t next);
/* A system call failed: what was tried, and -errno. Returns r. */
int cvm_error_system(CvmError *error, int r, const char *format, ...) _printf_(3, 4);
/* The same about a file: the operation, such as "write the CVM's record", is followed by the path
 * of `name` in a directory of this process's own (file_path_at()). */
int cvm_error_file(CvmError *error, int r, int dirfd, const char *name, const char *operation);
/* -EINVAL. parameter: its path among the parameters of the call, such as spec.env.A; the reason
 * says what it must be. */
int cvm_error_invalid_parameter(CvmError *error, const char *parameter, const char *format, ...)
        _printf_(3, 4);
int cvm_error_permission_denied(CvmError *error); /* -EACCES */

/* Adds to an error's fields the name and id (each may be NULL) of the CVM that it concerns, so that
 * a setter need not know them. Does nothing to an error that names another CVM, that is not of
 * io.cvmd.Manager, or that is not set. */
void cvm_error_add_cvm(CvmError *error, const char *name, const char *id);
