/* SPDX-License-Identifier: Apache-2.0 */
#include "event_text.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "output.h"

/* The reason of an ending in words, or the reason itself if it is unknown. */
static const char *event_text_reason(const char *reason)
{
        static const char *const words[][2] = {
                {"power-off", "the guest turned itself off"},
                {"power-off-or-reboot", "the guest turned itself off or rebooted"},
                {"guest-reset", "the guest rebooted"},
                {"guest-panic", "the guest panicked"},
                {"stopped", "on request"},
                {"killed", "on request, by force"},
                {"expired", "its ttlSec has passed"},
                {"qemu-exit", "QEMU exited"},
                {"qemu-signal", "a signal ended QEMU"},
                {"internal-error", "QEMU could not continue to run the guest"},
                {"launch-failed", "the launch failed"},
                {"lost", "it disappeared; cause unknown"},
                {"companion", "a program that it requires in addition to QEMU ended"},
                {"restart-failed", "the attempt to launch it again failed"},
                {"secrets-gone", "a restart of the host erased its secrets"},
                {"restart-requested", "a restart was requested"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcmp(words[i][0], reason) == 0)
                        return words[i][1];
        return reason;
}

/* The first line of a text. */
static char *event_text_line(const char *text)
{
        return strndup(text, strcspn(text, "\r\n"));
}

/* "launched"; "failed: the guest panicked: LINE". */
static char *event_text_state(json_object *event, json_object *detail)
{
        static const char *const words[][3] = {
                /* from, to; NULL: any. A CVM that had a launch which failed is admitted again. */
                {NULL, "preparing", "launch admitted"},
                {"paused", "running", "running again"},
                {NULL, "restarting", "will be launched again"},
        };
        const char *old = json_member_string(event, "oldState") ?: "";
        const char *new = json_member_string(event, "newState") ?: "";
        const char *reason = json_member_string(detail, "reason");
        const char *said = json_member_string(detail, "text");
        _cleanup_free_ char *line = event_text_line(said ?: "");
        const char *what = new;

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if ((!words[i][0] || strcmp(words[i][0], old) == 0) &&
                    strcmp(words[i][1], new) == 0)
                        what = words[i][2];
        if (!*old && strcmp(new, "preparing") != 0)
                return text_format("%s as before: the launch that was to replace it failed", new);
        if (!reason || !line)
                return line ? strdup(what) : NULL;
        return text_format("%s: %s%s%s", what, event_text_reason(reason), *line ? ": " : "", line);
}

static char *event_text_panic(json_object *detail)
{
        const char *line = json_member_string(detail, "console")
                                   ?: json_member_string(json_member(detail, "info"), "message");

        return text_format("the guest's kernel panicked%s%s", line ? ": " : "", line ?: "");
}

static char *event_text_removed(json_object *detail)
{
        const char *limit = json_member_string(detail, "limit");
        const char *rule = json_member_string(detail, "remove");

        if (limit)
                return text_format("removed, because of the limit %s", limit);
        return rule ? text_format("removed, as its spec says (remove: %s)", rule)
                    : strdup("removed");
}

/* "updated: labels, ttlSec" */
static char *event_text_updated(json_object *detail)
{
        json_object *fields = json_member(detail, "fields");
        size_t n =
                json_object_is_type(fields, json_type_array) ? json_object_array_length(fields) : 0;
        _cleanup_(buffer_done) Buffer text = {};

        if (buffer_append_text(&text, "updated") < 0)
                return NULL;
        for (size_t i = 0; i < n; i++)
                if (buffer_appendf(&text, "%s%s", i ? ", " : ": ",
                                   json_object_get_string(json_object_array_get_idx(fields, i))) <
                    0)
                        return NULL;
        return buffer_take(&text);
}

static char *event_text_lost(json_object *detail)
{
        const char *reason = json_member_string(detail, "reason") ?: "";
        int64_t count = json_member_int(detail, "count", 0);

        if (count)
                return text_format("%" PRId64 " events before this one are lost: the disk did not "
                                   "answer",
                                   count);
        return text_format("events before this one may be lost: %s",
                           strcmp(reason, "unclean-boot") == 0 ? "the host crashed"
                                                               : "the disk did not answer");
}

/* kind: known to be text; a kind of a later daemon is printed with its detail as it is. */
static char *event_text_of_kind(const char *kind, json_object *event, json_object *detail)
{
        const char *text = json_member_string(detail, "text") ?: "";
        _cleanup_free_ char *line = event_text_line(text);

        if (!line)
                return NULL;
        if (strcmp(kind, "state") == 0)
                return event_text_state(event, detail);
        if (strcmp(kind, "ready") == 0)
                return strdup("ready");
        if (strcmp(kind, "status") == 0)
                return text_format("the guest says: %s", text);
        if (strcmp(kind, "panic") == 0)
                return event_text_panic(detail);
        if (strcmp(kind, "internal-error") == 0)
                return text_format("QEMU cannot continue to run the guest%s%s", *line ? ": " : "",
                                   line);
        if (strcmp(kind, "note") == 0 && *text)
                return strdup(text);
        if (strcmp(kind, "updated") == 0)
                return event_text_updated(detail);
        if (strcmp(kind, "removed") == 0)
                return event_text_removed(detail);
        if (strcmp(kind, "events-lost") == 0)
                return event_text_lost(detail);
        return text_format("%s%s%s", kind, detail ? " " : "", detail ? json_text(detail) : "");
}

char *event_text(json_object *event)
{
        const char *kind = json_member_string(event, "kind") ?: "event";
        _cleanup_free_ char *text = NULL;

        text = event_text_of_kind(kind, event, json_member(event, "detail"));
        return text ? text_escape_control(text) : NULL;
}
