/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#define MANAGER "io.cvmd.Manager."
#define SERVICE "org.varlink.service."

static const struct {
        const char *name;
        int r;
} errors[_CVM_ERROR_MAX] = {
        [CVM_ERROR_NONE] = {"", 0},
        [CVM_ERROR_NO_SUCH_CVM] = {MANAGER "NoSuchCvm", -ENOENT},
        [CVM_ERROR_CVM_EXISTS] = {MANAGER "CvmExists", -EEXIST},
        [CVM_ERROR_IDEMPOTENCY_MISMATCH] = {MANAGER "IdempotencyMismatch", -EEXIST},
        [CVM_ERROR_SECRETS_GONE] = {MANAGER "SecretsGone", -ENODATA},
        [CVM_ERROR_NOT_CONFIDENTIAL] = {MANAGER "NotConfidential", -EOPNOTSUPP},
        [CVM_ERROR_INVALID_SPEC] = {MANAGER "InvalidSpec", -EINVAL},
        [CVM_ERROR_ARTIFACT_INVALID] = {MANAGER "ArtifactInvalid", -EBADMSG},
        [CVM_ERROR_TEMPLATE_INVALID] = {MANAGER "TemplateInvalid", -EBADMSG},
        [CVM_ERROR_HOST_NOT_READY] = {MANAGER "HostNotReady", -EOPNOTSUPP},
        [CVM_ERROR_NO_RESOURCES] = {MANAGER "NoResources", -ENOSPC},
        [CVM_ERROR_LAUNCH_FAILED] = {MANAGER "LaunchFailed", -EIO},
        [CVM_ERROR_WRONG_STATE] = {MANAGER "WrongState", -EBUSY},
        [CVM_ERROR_QUOTA_EXCEEDED] = {MANAGER "QuotaExceeded", -EDQUOT},
        [CVM_ERROR_TIMEOUT] = {MANAGER "Timeout", -ETIMEDOUT},
        [CVM_ERROR_EVENTS_LOST] = {MANAGER "EventsLost", -ENODATA},
        [CVM_ERROR_SYSTEM] = {MANAGER "SystemError", -EIO},
        [CVM_ERROR_INVALID_PARAMETER] = {SERVICE "InvalidParameter", -EINVAL},
        [CVM_ERROR_METHOD_NOT_FOUND] = {SERVICE "MethodNotFound", -ENOSYS},
        [CVM_ERROR_INTERFACE_NOT_FOUND] = {SERVICE "InterfaceNotFound", -ENOSYS},
        [CVM_ERROR_EXPECTED_MORE] = {SERVICE "ExpectedMore", -EINVAL},
        [CVM_ERROR_PERMISSION_DENIED] = {SERVICE "PermissionDenied", -EACCES},
        [CVM_ERROR_OTHER] = {"", -EPROTO},
};

void cvm_error_done(CvmError *error)
{
        free(error->name);
        json_object_put(error->fields);
        *error = (CvmError){};
}

const char *cvm_error_name(CvmErrorId id)
{
        return errors[id].name;
}

void cvm_error_move(CvmError *to, CvmError *from)
{
        *to = TAKE_STRUCT(*from);
}

static int error_set(CvmError *error, CvmErrorId id, const char *name, int r, json_object *fields)
{
        if (cvm_error_is_set(error)) {
                json_object_put(fields);
                return r;
        }

        error->id = id;
        error->name = strdup(name);
        error->fields = fields ?: json_object_new_object();
        return r;
}

int cvm_error_set(CvmError *error, CvmErrorId id, int r, json_object *fields)
{
        return error_set(error, id, errors[id].name, r, fields);
}

int cvm_error_set_wire(CvmError *error, const char *name, json_object *fields)
{
        CvmErrorId id = CVM_ERROR_OTHER;

        for (CvmErrorId i = CVM_ERROR_NONE + 1; i < CVM_ERROR_OTHER; i++)
                if (strcmp(errors[i].name, name) == 0)
                        id = i;

        return error_set(error, id, name, errors[id].r, json_object_get(fields));
}

/* Formats the variable arguments after `format` into `_text`, freed at the end of the scope. */
#define FORMAT_TEXT(format)                                                                        \
        _cleanup_free_ char *_text = NULL;                                                         \
        va_list _ap;                                                                               \
        va_start(_ap, format);                                                                     \
        _text = text_format_v(format, _ap);                                                        \
        va_end(_ap)

static json_object *error_text_new(const char *s)
{
        return json_new_text(s ?: "");
}

int cvm_error_no_such_cvm(CvmError *error, const char *name, const char *id)
{
        return cvm_error_set(error, CVM_ERROR_NO_SUCH_CVM, -ENOENT,
                             json_build("name", name ? error_text_new(name) : NULL, "id",
                                        id ? error_text_new(id) : NULL, NULL));
}

int cvm_error_cvm_exists(CvmError *error, const char *name, const char *id, bool anothers)
{
        return cvm_error_set(error, CVM_ERROR_CVM_EXISTS, -EEXIST,
                             json_build("name", error_text_new(name), "id",
                                        id ? error_text_new(id) : NULL, "anothers",
                                        json_object_new_boolean(anothers), NULL));
}

int cvm_error_idempotency_mismatch(CvmError *error, const char *id, const char *field)
{
        return cvm_error_set(
                error, CVM_ERROR_IDEMPOTENCY_MISMATCH, -EEXIST,
                json_build("id", error_text_new(id), "field", error_text_new(field), NULL));
}

int cvm_error_secrets_gone(CvmError *error, const char *name, const char *id)
{
        return cvm_error_set(
                error, CVM_ERROR_SECRETS_GONE, -ENODATA,
                json_build("name", error_text_new(name), "id", error_text_new(id), NULL));
}

int cvm_error_not_confidential(CvmError *error, const char *platform)
{
        return cvm_error_set(error, CVM_ERROR_NOT_CONFIDENTIAL, -EOPNOTSUPP,
                             json_build("platform", error_text_new(platform), NULL));
}

int cvm_error_invalid_spec(CvmError *error, const char *field, const char *format, ...)
{
        json_object *list = json_object_new_array();

        FORMAT_TEXT(format);
        json_object_array_add(list, json_build("field", error_text_new(field), "reason",
                                               error_text_new(_text), NULL));
        return cvm_error_set(error, CVM_ERROR_INVALID_SPEC, -EINVAL,
                             json_build("field", error_text_new(field), "reason",
                                        error_text_new(_text), "errors", list, NULL));
}

int cvm_error_artifact(CvmError *error, const char *artifact, const char *format, ...)
{
        FORMAT_TEXT(format);
        return cvm_error_set(error, CVM_ERROR_ARTIFACT_INVALID, -EBADMSG,
                             json_build("artifact", error_text_new(artifact), "reason",
                                        error_text_new(_text), NULL));
}

int cvm_error_template(CvmError *error, const char *template, const char *format, ...)
{
        FORMAT_TEXT(format);
        return cvm_error_set(error, CVM_ERROR_TEMPLATE_INVALID, -EBADMSG,
                             json_build("template", error_text_new(template), "reason",
                                        error_text_new(_text), NULL));
}

int cvm_error_host(CvmError *error, const char *check, const char *found, const char *needed,
                   const char *fix)
{
        json_object *fields =
                json_build("check", error_text_new(check), "found", error_text_new(found), "needed",
                           error_text_new(needed), NULL);

        if (fix)
                json_object_object_add(fields, "fix", error_text_new(fix));
        return cvm_error_set(error, CVM_ERROR_HOST_NOT_READY, -EOPNOTSUPP, fields);
}

int cvm_error_no_resources(CvmError *error, const char *resource, int64_t wanted, int64_t available,
                           json_object *holders)
{
        return cvm_error_set(error, CVM_ERROR_NO_RESOURCES, -ENOSPC,
                             json_build("resource", error_text_new(resource), "wanted",
                                        json_object_new_int64(wanted), "available",
                                        json_object_new_int64(available), "holders",
                                        holders ?: json_object_new_array(), NULL));
}

int cvm_error_launch(CvmError *error, const char *stage, const char *log, const char *format, ...)
{
        json_object *fields;

        FORMAT_TEXT(format);
        fields = json_build("stage", error_text_new(stage), "reason", error_text_new(_text), NULL);
        if (log && *log)
                json_object_object_add(fields, "log", error_text_new(log));
        return cvm_error_set(error, CVM_ERROR_LAUNCH_FAILED, -EIO, fields);
}

int cvm_error_wrong_state(CvmError *error, const char *name, const char *state,
                          const char *const *allowed)
{
        json_object *list = json_object_new_array();

        for (; *allowed; allowed++)
                json_object_array_add(list, error_text_new(*allowed));
        return cvm_error_set(error, CVM_ERROR_WRONG_STATE, -EBUSY,
                             json_build("name", error_text_new(name), "state",
                                        error_text_new(state), "allowed", list, NULL));
}

int cvm_error_quota(CvmError *error, const char *resource, int64_t limit, int64_t used,
                    int64_t wanted)
{
        return cvm_error_set(error, CVM_ERROR_QUOTA_EXCEEDED, -EDQUOT,
                             json_build("resource", error_text_new(resource), "limit",
                                        json_object_new_int64(limit), "used",
                                        json_object_new_int64(used), "wanted",
                                        json_object_new_int64(wanted), NULL));
}

int cvm_error_timeout(CvmError *error, const char *stage, int64_t after_msec)
{
        return cvm_error_set(error, CVM_ERROR_TIMEOUT, -ETIMEDOUT,
                             json_build("stage", error_text_new(stage), "afterMSec",
                                        json_object_new_int64(after_msec), NULL));
}

int cvm_error_events_lost(CvmError *error, int64_t oldest)
{
        return cvm_error_set(error, CVM_ERROR_EVENTS_LOST, -ENODATA,
                             json_build("oldest", json_object_new_int64(oldest), NULL));
}

int cvm_error_events_ahead(CvmError *error, int64_t oldest, int64_t wanted, int64_t next)
{
        return cvm_error_set(error, CVM_ERROR_EVENTS_LOST, -ENODATA,
                             json_build("oldest", json_object_new_int64(oldest), "wanted",
                                        json_object_new_int64(wanted), "next",
                                        json_object_new_int64(next), NULL));
}

int cvm_error_system(CvmError *error, int r, const char *format, ...)
{
        FORMAT_TEXT(format);
        return cvm_error_set(error, CVM_ERROR_SYSTEM, r,
                             json_build("operation", error_text_new(_text), "reason",
                                        error_text_new(strerror(-r)), NULL));
}

int cvm_error_file(CvmError *error, int r, int dirfd, const char *name, const char *operation)
{
        _cleanup_free_ char *path = file_path_at(dirfd, name);

        return cvm_error_system(error, r, "%s%s%s", operation, path ? " " : "", path ?: "");
}

int cvm_error_invalid_parameter(CvmError *error, const char *parameter, const char *format, ...)
{
        FORMAT_TEXT(format);
        return cvm_error_set(error, CVM_ERROR_INVALID_PARAMETER, -EINVAL,
                             json_build("parameter", error_text_new(parameter), "reason",
                                        error_text_new(_text), NULL));
}

int cvm_error_permission_denied(CvmError *error)
{
        return cvm_error_set(error, CVM_ERROR_PERMISSION_DENIED, -EACCES, NULL);
}

/* Whether a member is absent or has that value. */
static bool error_agrees(const CvmError *error, const char *key, const char *value)
{
        json_object *member = json_member(error->fields, key);

        return !member || (value && strcmp(json_object_get_string(member), value) == 0);
}

void cvm_error_add_cvm(CvmError *error, const char *name, const char *id)
{
        const char *values[][2] = {{"name", name}, {"id", id}};

        if (error->id == CVM_ERROR_NONE || error->id >= CVM_ERROR_INVALID_PARAMETER ||
            !error_agrees(error, "name", name) || !error_agrees(error, "id", id))
                return;
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                if (values[i][1] && !json_member(error->fields, values[i][0]))
                        json_add(error->fields, values[i][0], error_text_new(values[i][1]));
}

/* A field of the error as text; lists are joined by commas. Newly allocated. */
static char *field(const CvmError *error, const char *key)
{
        json_object *value = NULL;
        char *joined = NULL;

        json_object_object_get_ex(error->fields, key, &value);
        if (!json_object_is_type(value, json_type_array))
                return text_escape_control(value ? json_object_get_string(value) : "");

        for (size_t i = 0; i < json_object_array_length(value); i++) {
                _cleanup_free_ char *before = joined;
                const char *item = json_object_get_string(json_object_array_get_idx(value, i));

                joined = text_format("%s%s%s", before ?: "", before ? ", " : "", item ?: "");
                if (!joined)
                        return NULL;
        }
        if (!joined)
                return strdup("");
        _cleanup_free_ char *raw = joined;
        return text_escape_control(raw);
}

static int64_t error_number(const CvmError *error, const char *key)
{
        json_object *value = NULL;

        json_object_object_get_ex(error->fields, key, &value);
        return json_object_get_int64(value);
}

/* An amount of the resource with its unit: of memory as a size, in whole MiB. Newly allocated. */
static char *amount(const CvmError *error, const char *key, const char *resource)
{
        int64_t n = error_number(error, key);
        char size[24];

        if (strncmp(resource, "artifacts ", 10) == 0 || strncmp(resource, "secrets ", 8) == 0)
                return text_format("%lld bytes", (long long)n);
        if (strncmp(resource, "memory", strlen("memory")) == 0 && n >= 0)
                return strdup(text_format_size((uint64_t)n & ~(uint64_t)0xfffff, size));
        return text_format("%lld", (long long)n);
}

/* The address of what there is one of, such as a port, or "": NoResources of an amount. */
static char *only_one(const CvmError *error, const char *resource)
{
        int64_t wanted = error_number(error, "wanted");

        if (strchr(resource, ':') || strcmp(resource, "tap") == 0)
                return strdup(resource);
        if (strcmp(resource, "port") != 0 && strcmp(resource, "cid") != 0)
                return strdup("");
        if (wanted == 1)
                return text_format("every %s in cvmd.conf's range", resource);
        return text_format("%s %lld", resource, (long long)wanted);
}

static char *message_no_resources(const CvmError *error)
{
        _cleanup_free_ char *resource = field(error, "resource"),
                            *holders = field(error, "holders");
        _cleanup_free_ char *wanted = resource ? amount(error, "wanted", resource) : NULL;
        _cleanup_free_ char *available = resource ? amount(error, "available", resource) : NULL;
        _cleanup_free_ char *one = resource ? only_one(error, resource) : NULL;
        const char *by;

        if (!holders || !wanted || !available || !one)
                return NULL;
        by = *holders ? (*one ? " by " : "; in use by ") : "";
        if (*one)
                return text_format("%s is in use%s%s", one, by, holders);
        return text_format("not enough %s: %s requested, %s available%s%s", resource, wanted,
                           available, by, holders);
}

static char *message_quota(const CvmError *error)
{
        _cleanup_free_ char *resource = field(error, "resource");
        _cleanup_free_ char *wanted = resource ? amount(error, "wanted", resource) : NULL;
        _cleanup_free_ char *used = resource ? amount(error, "used", resource) : NULL;
        _cleanup_free_ char *limit = resource ? amount(error, "limit", resource) : NULL;

        if (!wanted || !used || !limit)
                return NULL;
        return text_format("limit reached for %s: %s requested, but %s of %s are in use", resource,
                           wanted, used, limit);
}

static char *message_no_such_cvm(const CvmError *error)
{
        _cleanup_free_ char *name = field(error, "name"), *id = field(error, "id");

        if (!id || !*id)
                return text_format("no CVM named '%s'; see `cvmctl list`", name ?: "");
        if (!name || !*name)
                return text_format("no CVM with id %s; see `cvmctl list`", id);
        return text_format("no CVM named '%s' with id %s; see `cvmctl list`", name, id);
}

/* cvmd 0.1.0 and other services give no reason. */
static char *message_invalid_parameter(const CvmError *error)
{
        _cleanup_free_ char *parameter = field(error, "parameter"),
                            *reason = field(error, "reason");

        if (!parameter || !reason)
                return NULL;
        return text_format("invalid parameter '%s'%s%s", parameter, *reason ? ": " : "", reason);
}

/* The first fault of a spec, and how many there are. */
static char *message_invalid_spec(const CvmError *error)
{
        json_object *list = json_member(error->fields, "errors");
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
        json_object *first = n ? json_object_array_get_idx(list, 0) : NULL;
        const char *suggestion = json_member_string(first, "suggestion");
        _cleanup_free_ char *name = field(error, "field"), *reason = field(error, "reason");
        _cleanup_free_ char *near = suggestion ? text_escape_control(suggestion) : NULL;
        _cleanup_free_ char *rest =
                n > 1 ? text_format(" (the first of %s%zu errors)", n > FAULTS_MAX ? "over " : "",
                                    n > FAULTS_MAX ? (size_t)FAULTS_MAX : n)
                      : NULL;

        if (!name || !reason || (suggestion && !near) || (n > 1 && !rest))
                return NULL;
        return text_format("spec field '%s': %s%s%s%s%s", name, reason,
                           near ? "; did you mean '" : "", near ?: "", near ? "'?" : "",
                           rest ?: "");
}

char *cvm_error_message(const CvmError *error)
{
        char *s = NULL;

#define F(key)                                                                                     \
        ({                                                                                         \
                char *_f = field(error, key);                                                      \
                held[n_held++] = _f;                                                               \
                _f ?: "";                                                                          \
        })
        char *held[8] = {};
        size_t n_held = 0;
        const char *fix, *log;

        switch (error->id) {
        case CVM_ERROR_NONE:
                s = text_format("no error");
                break;
        case CVM_ERROR_NO_SUCH_CVM:
                s = message_no_such_cvm(error);
                break;
        case CVM_ERROR_CVM_EXISTS:
                if (json_member_bool(error->fields, "anothers", false)) {
                        s = text_format("'%s' is in use by another user's CVM, or by one whose "
                                        "record is set aside; choose another name or id",
                                        F("name"));
                        break;
                }
                s = text_format(
                        "a CVM named '%s' already exists; stop or remove it first, or choose "
                        "another name",
                        F("name"));
                break;
        case CVM_ERROR_IDEMPOTENCY_MISMATCH:
                s = text_format("id %s is that of a CVM that was launched with another spec: '%s' "
                                "differs; choose another id",
                                F("id"), F("field"));
                break;
        case CVM_ERROR_SECRETS_GONE:
                s = text_format("the environment and certificates of '%s' are no longer there; "
                                "remove it and launch it with them again",
                                F("name"));
                break;
        case CVM_ERROR_NOT_CONFIDENTIAL:
                s = text_format("platform '%s' is not confidential, but the spec or cvmd.conf "
                                "requires it; see `cvmctl doctor` for what this host lacks",
                                F("platform"));
                break;
        case CVM_ERROR_INVALID_SPEC:
                s = message_invalid_spec(error);
                break;
        case CVM_ERROR_ARTIFACT_INVALID:
                s = text_format("artifact '%s': %s", F("artifact"), F("reason"));
                break;
        case CVM_ERROR_TEMPLATE_INVALID:
                s = text_format("template '%s': %s", F("template"), F("reason"));
                break;
        case CVM_ERROR_HOST_NOT_READY:
                fix = F("fix");
                s = text_format("check '%s' of this host failed. Found: %s. Required: %s.%s%s",
                                F("check"), F("found"), F("needed"), *fix ? " Fix: " : "", fix);
                break;
        case CVM_ERROR_NO_RESOURCES:
                s = message_no_resources(error);
                break;
        case CVM_ERROR_LAUNCH_FAILED:
                log = F("log");
                s = text_format("launch failed at stage '%s': %s%s%s", F("stage"), F("reason"),
                                *log ? ": " : "", log);
                break;
        case CVM_ERROR_WRONG_STATE:
                s = text_format("CVM '%s' is %s; required state: %s", F("name"), F("state"),
                                F("allowed"));
                break;
        case CVM_ERROR_QUOTA_EXCEEDED:
                s = message_quota(error);
                break;
        case CVM_ERROR_TIMEOUT:
                s = text_format("timed out at stage '%s' after %s ms", F("stage"), F("afterMSec"));
                break;
        case CVM_ERROR_EVENTS_LOST:
                s = json_member(error->fields, "next")
                            ? text_format("no event has number %s yet; the next is number %s",
                                          F("wanted"), F("next"))
                            : text_format("events before number %s are no longer kept",
                                          F("oldest"));
                break;
        case CVM_ERROR_SYSTEM:
                s = text_format("%s: %s", F("operation"), F("reason"));
                break;
        case CVM_ERROR_INVALID_PARAMETER:
                s = message_invalid_parameter(error);
                break;
        case CVM_ERROR_METHOD_NOT_FOUND:
                s = text_format("the daemon has no method '%s'", F("method"));
                break;
        case CVM_ERROR_INTERFACE_NOT_FOUND:
                s = text_format("the daemon has no interface '%s'", F("interface"));
                break;
        case CVM_ERROR_EXPECTED_MORE:
                s = text_format("this method must be called with 'more'");
                break;
        case CVM_ERROR_PERMISSION_DENIED:
                s = text_format("permission denied");
                break;
        default:
                s = text_format("error %s", error->name ?: "unknown");
                break;
        }
#undef F
        for (size_t i = 0; i < n_held; i++)
                free(held[i]);
        return s;
}
