/* SPDX-License-Identifier: Apache-2.0 */
#include "cvm_text.h"

#include <pwd.h>
#include <string.h>

#include "base/json.h"
#include "base/suggest.h"
#include "base/text.h"
#include "moment.h"
#include "output.h"
#include "paragraph.h"

#define CVM_TEXT_ANY "" /* a map, whose members have any name */
#define CVM_TEXT_SPEC                                                                              \
        "name platform cpus memory image kernel initramfs firmware igvm cmdline env certs shares " \
        "disks gpus forwards network vsock svsm launchSecurity bindWorkload confidential debug "   \
        "limits timeouts restart remove ttlSec driver labels missing"

/* The fields of Cvm in the interface, and the members of those that are objects, with blanks
 * between; NULL: it has none. */
typedef struct CvmTextField {
        const char *name, *members;
} CvmTextField;

static const CvmTextField cvm_text_fields[] = {
        {"name"},
        {"id"},
        {"platform"},
        {"driver"},
        {"state"},
        {"ready"},
        {"guestStatus"},
        {"owner"},
        {"uid"},
        {"cpus"},
        {"memory"},
        {"pid"},
        {"scope"},
        {"vsockCid"},
        {"forwards"},
        {"debug"},
        {"confidential"},
        {"emulated"},
        {"labels", CVM_TEXT_ANY},
        {"createdAt"},
        {"startedAt"},
        {"readyAt"},
        {"expiresAt"},
        {"restarts"},
        {"restartAt"},
        {"ending", "reason detail exitCode signal at"},
        {"image"},
        {"artifacts", "kernel initramfs firmware igvm"},
        {"measurement", CVM_TEXT_ANY},
        {"binding", "field value document"},
        {"spec", CVM_TEXT_SPEC},
};

static bool cvm_text_is(const char *text, const char *expected)
{
        return text && strcmp(text, expected) == 0;
}

/* Whether its guest exists. */
static bool cvm_text_runs(json_object *cvm)
{
        const char *state = json_member_string(cvm, "state");

        return cvm_text_is(state, "running") || cvm_text_is(state, "paused");
}

char *cvm_text_state(json_object *cvm, const char *key)
{
        json_object *ending = json_member(cvm, "ending");
        const char *plain = json_member_string(cvm, key);
        _cleanup_free_ char *state = output_member(cvm, key);
        _cleanup_free_ char *reason = output_member(ending, "reason"), *when = NULL;
        bool restarts = cvm_text_is(plain, "restarting");
        int64_t at =
                restarts ? json_member_int(cvm, "restartAt", 0) : json_member_int(ending, "at", 0);

        if (!state || !reason)
                return NULL;
        if (!ending || !(restarts || cvm_text_is(plain, "stopped") || cvm_text_is(plain, "failed")))
                return TAKE_PTR(state);
        when = at > 0 ? moment_relative(at) : strdup("");
        if (!when)
                return NULL;
        if (strcmp(state, reason) == 0)
                return text_format("%s%s%s", state, *when ? ", " : "", when);
        return text_format("%s: %s%s%s", state, reason, *when ? ", " : "", when);
}

const char *cvm_text_state_colour(json_object *cvm, const char *key)
{
        const char *state = json_member_string(cvm, key);

        if (cvm_text_is(state, "running"))
                return OUTPUT_GREEN;
        if (cvm_text_is(state, "failed"))
                return OUTPUT_RED;
        return cvm_text_is(state, "stopped") ? NULL : OUTPUT_YELLOW;
}

const char *cvm_text_confidential_colour(json_object *cvm, const char *key)
{
        if (!json_member(cvm, key))
                return NULL;
        return json_member_bool(cvm, key, false) ? OUTPUT_GREEN : OUTPUT_YELLOW;
}

char *cvm_text_age(json_object *cvm, const char *key)
{
        int64_t at = json_member_int(cvm, key, 0);

        return at > 0 ? moment_age(at) : strdup("-");
}

char *cvm_text_user(json_object *cvm, const char *key)
{
        int64_t uid = json_member_int(cvm, key, -1);
        const struct passwd *entry = uid >= 0 && uid < UINT32_MAX ? getpwuid((uid_t)uid) : NULL;

        return entry ? text_escape_control(entry->pw_name) : output_member(cvm, key);
}

char *cvm_text_ready(json_object *cvm, const char *key)
{
        return cvm_text_runs(cvm) ? output_member(cvm, key) : strdup("-");
}

char *cvm_text_forwards(json_object *cvm, const char *key)
{
        static const char arrow[] = " -> ";
        _cleanup_(buffer_done) Buffer text = {};
        _cleanup_free_ char *forwards = output_forwards(cvm);
        const char *from = forwards;

        if (!forwards || !cvm_text_runs(cvm))
                return forwards ? strdup("-") : NULL;
        for (const char *next; (next = strstr(from, arrow)); from = next + strlen(arrow))
                if (buffer_append(&text, from, (size_t)(next - from)) < 0 ||
                    buffer_append_text(&text, PARAGRAPH_NO_BREAK "->" PARAGRAPH_NO_BREAK) < 0)
                        return NULL;
        return buffer_append_text(&text, from) < 0 ? NULL : buffer_take(&text);
}

json_object *cvm_text_find(json_object *cvm, const char *path)
{
        json_object *found = json_member(cvm, path);
        const char *dot = strchr(path, '.');
        _cleanup_free_ char *first = NULL;

        if (found || !dot || !(first = strndup(path, (size_t)(dot - path))))
                return found;
        found = json_member(cvm, first);
        return json_object_is_type(found, json_type_object) ? cvm_text_find(found, dot + 1) : NULL;
}

char *cvm_text_field(json_object *cvm, const char *path)
{
        json_object *value = cvm_text_find(cvm, path);
        _cleanup_json_ json_object *alone =
                json_build("value", value ? json_object_get(value) : NULL, NULL);

        if (json_object_is_type(value, json_type_int) && strcmp(path, "memory") == 0)
                return output_size(alone, "value");
        if (json_object_is_type(value, json_type_int) &&
            (text_has_suffix(path, "At") || strcmp(path, "ending.at") == 0))
                return moment_local(json_object_get_int64(value));
        if (value && strcmp(path, "forwards") == 0)
                return output_forwards(cvm);
        return output_member(alone, "value");
}

/* Whether a field has the member that the path names; what a member has itself is not checked. */
static bool cvm_text_has_member(const CvmTextField *field, const char *member,
                                char **ret_suggestion)
{
        size_t size = strcspn(member, ".");
        _cleanup_free_ char *names = strdup(field->members ?: ""), *word = strndup(member, size);
        Suggestion best = suggest_begin(word ?: "");
        char *rest = names;
        const char *name;

        if (!field->members)
                *ret_suggestion = strdup(field->name);
        if (!field->members || !names || !word)
                return false;
        if (!*field->members)
                return *member;
        while ((name = strsep(&rest, " "))) {
                if (strcmp(name, word) == 0)
                        return true;
                suggest_candidate(&best, name);
        }
        *ret_suggestion = best.found ? text_format("%s.%s", field->name, best.found) : NULL;
        return false;
}

/* Those members of a field whose path begins with `typed`. */
static void cvm_text_each_member(const CvmTextField *field, const char *typed,
                                 void (*take)(void *userdata, const char *path), void *userdata)
{
        for (const char *member = field->members ?: ""; *member; member += strspn(member, " ")) {
                size_t size = strcspn(member, " ");
                _cleanup_free_ char *path = text_format("%s.%.*s", field->name, (int)size, member);

                if (path && strncmp(path, typed, strlen(typed)) == 0)
                        take(userdata, path);
                member += size;
        }
}

void cvm_text_each_field(const char *typed, void (*take)(void *userdata, const char *path),
                         void *userdata)
{
        for (size_t i = 0; i < ARRAY_SIZE(cvm_text_fields); i++) {
                const CvmTextField *field = &cvm_text_fields[i];

                if (strncmp(field->name, typed, strlen(typed)) == 0)
                        take(userdata, field->name);
                if (*typed)
                        cvm_text_each_member(field, typed, take, userdata);
        }
}

bool cvm_text_has_field(const char *path, char **ret_suggestion)
{
        size_t size = strcspn(path, ".");
        _cleanup_free_ char *first = strndup(path, size);
        Suggestion best = suggest_begin(first ?: "");

        *ret_suggestion = NULL;
        for (size_t i = 0; first && i < ARRAY_SIZE(cvm_text_fields); i++) {
                const CvmTextField *field = &cvm_text_fields[i];

                if (strcmp(field->name, first) == 0)
                        return !path[size] ||
                               cvm_text_has_member(field, path + size + 1, ret_suggestion);
                suggest_candidate(&best, field->name);
        }
        *ret_suggestion = best.found ? strdup(best.found) : NULL;
        return false;
}
