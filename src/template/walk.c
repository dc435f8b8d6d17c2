/* SPDX-License-Identifier: Apache-2.0 */
#include "template/walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int walk_fail(Walk *walk, const char *format, ...)
{
        _cleanup_free_ char *reason = NULL;
        va_list ap;

        va_start(ap, format);
        reason = text_format_v(format, ap);
        va_end(ap);
        if (!reason)
                return walk_no_memory(walk);
        if (walk->line)
                return cvm_error_template(walk->error, walk->template->name, "%s:%u: %s: %s",
                                          walk->document->label, walk->line, walk->path.data ?: "",
                                          reason);
        return document_refuse(walk->document, walk->template->name, walk->path.data ?: "", reason,
                               walk->error);
}

int walk_no_memory(Walk *walk)
{
        return cvm_error_system(walk->error, -ENOMEM, "render template %s", walk->template->name);
}

int walk_step(Walk *walk)
{
        return ++walk->steps > RENDER_STEPS_MAX
                       ? walk_fail(walk, "rendering takes more than %u steps", RENDER_STEPS_MAX)
                       : 0;
}

int walk_count(Walk *walk, size_t bytes)
{
        walk->bytes += bytes;
        return walk->bytes > RENDER_BYTES_MAX
                       ? walk_fail(walk, "the command line is longer than %u bytes",
                                   RENDER_BYTES_MAX)
                       : 0;
}

size_t walk_enter(Walk *walk, const char *format, ...)
{
        _cleanup_free_ char *part = NULL;
        size_t before = walk->path.size;
        va_list ap;

        va_start(ap, format);
        part = text_format_v(format, ap);
        va_end(ap);
        if (!part)
                part = NULL;
        else if (buffer_append_text(&walk->path, part) < 0)
                return before; /* only a message will be shorter */
        return before;
}

void walk_leave(Walk *walk, size_t before)
{
        if (!walk->path.data)
                return;
        walk->path.size = before;
        walk->path.data[before] = 0;
}

static const char *walk_member_name(const char *known)
{
        return known + (*known == '!');
}

int walk_check_members(Walk *walk, json_object *object, const char *const *known)
{
        json_object_object_foreach (object, key, value) {
                const char *const *k = known;

                (void)value;
                while (*k && strcmp(walk_member_name(*k), key) != 0)
                        k++;
                if (!*k)
                        return walk_fail(walk, "unknown member '%s' next to '%s'", key,
                                         walk_member_name(known[0]));
        }
        for (const char *const *k = known; *k; k++)
                if (**k == '!' && !json_object_object_get_ex(object, walk_member_name(*k), NULL))
                        return walk_fail(walk, "'%s' requires '%s' next to it",
                                         walk_member_name(known[0]), walk_member_name(*k));
        return 0;
}
