/* SPDX-License-Identifier: Apache-2.0 */

/* Rendering: a walk over a template's arguments and devices in their order. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "template/expression.h"
#include "template/render.h"

static int add_argument(Walk *walk, const char *dash, const char *text)
{
        LaunchPlan *plan = walk->plan;
        char **grown;
        size_t size = strlen(dash) + strlen(text);
        int r = walk_count(walk, size);

        if (r < 0)
                return r;
        if (plan->argc >= RENDER_ARGUMENTS_MAX)
                return walk_fail(walk, "more than %u arguments", RENDER_ARGUMENTS_MAX);
        if (size >= RENDER_ARGUMENT_MAX)
                return walk_fail(walk, "an argument of %zu bytes exceeds the system's %u", size,
                                 RENDER_ARGUMENT_MAX);
        grown = reallocarray(plan->argv, plan->argc + 2, sizeof(*grown));
        if (!grown)
                return walk_no_memory(walk);
        plan->argv = grown;
        grown[plan->argc] = text_format("%s%s", dash, text);
        if (!grown[plan->argc]) {
                return walk_no_memory(walk);
        }
        grown[++plan->argc] = NULL;
        return 0;
}

int render_word(Walk *walk, const char *word)
{
        return add_argument(walk, "", word);
}

static bool is_option_name(const char *name)
{
        return *name && *name != '-' &&
               name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-_")] == 0;
}

static int render_option(Walk *walk, const Frame *frame, const char *option, json_object *value)
{
        _cleanup_json_ json_object *substituted = NULL;
        _cleanup_(buffer_done) Buffer text = {};
        const char *key = NULL, *reason = NULL;
        bool has_value;
        int r = 0;

        if (!is_option_name(option))
                return walk_fail(walk, "not the name of an option (write it without its '-')");
        if (value)
                r = expression_value(walk, frame, value, &substituted);
        if (r < 0)
                return r;
        r = option_write(option, substituted, &text, &has_value, &key, &reason);
        if (r == -EINVAL) {
                if (key)
                        walk_enter(walk, ".%s", key);
                return walk_fail(walk, "%s", reason);
        }
        if (r < 0)
                return walk_no_memory(walk);
        r = add_argument(walk, "-", option);
        return r == 0 && has_value ? add_argument(walk, "", text.data ?: "") : r;
}

static int render_arguments(Walk *walk, const Frame *frame, json_object *arguments);

/* "a → b → a" of the fragments around and the one that is named. */
static int include_chain(Walk *walk, const Frame *frame, const char *name)
{
        _cleanup_(buffer_done) Buffer chain = {};
        const char *around[RENDER_INCLUDES_MAX];
        size_t n = 0;
        bool cycle = false;
        int r = 0;

        for (const Frame *f = frame; f; f = f->outer)
                if (f->fragment && n < RENDER_INCLUDES_MAX) {
                        around[n++] = f->fragment;
                        cycle = cycle || strcmp(f->fragment, name) == 0;
                }
        if (!cycle && n < RENDER_INCLUDES_MAX)
                return 0;
        while (r == 0 && n-- > 0)
                r = buffer_appendf(&chain, "%s → ", around[n]);
        if (r < 0)
                return walk_no_memory(walk);
        return walk_fail(walk,
                         cycle ? "fragments include each other in a cycle: %s%s"
                               : "fragments include each other too deep: %s%s",
                         chain.data, name);
}

/* Goes on in the fragment's file; what went before is put back unless it fails. */
static int enter_fragment(Walk *walk, const Frame *frame, const Fragment *fragment)
{
        const Document *outer_document = walk->document;
        Buffer outer_path = walk->path;
        int r;

        walk->document = fragment->document;
        walk->path = (Buffer){};
        walk_enter(walk, "%s", fragment->name);
        r = render_arguments(walk, frame, fragment->arguments);
        buffer_done(&walk->path);
        walk->path = outer_path;
        walk->document = outer_document;
        return r;
}

/* What an `include` passes on: texts, numbers, truths and lists by name. */
static int parameters(Walk *walk, const Frame *frame, json_object *with, json_object **ret)
{
        _cleanup_json_ json_object *names = NULL;
        size_t before = walk_enter(walk, ".with");
        int r;

        if (!json_object_is_type(with, json_type_object))
                return walk_fail(walk, "'with' requires an object of names and values");
        r = expression_value(walk, frame, with, &names);
        if (r < 0)
                return r;
        json_object_object_foreach (names, name, value)
                if (json_object_is_type(value, json_type_object))
                        return walk_fail(walk, "'%s' must not be an object", name);
        walk_leave(walk, before);
        *ret = TAKE_PTR(names);
        return 0;
}

static int render_include(Walk *walk, const Frame *frame, json_object *item)
{
        static const char *const members[] = {"!include", "with", NULL};
        const char *name = json_member_string(item, "include");
        _cleanup_json_ json_object *names = NULL;
        json_object *with = json_member(item, "with");
        const Fragment *fragment;
        int r = walk_check_members(walk, item, members);

        if (r < 0)
                return r;
        if (!name)
                return walk_fail(walk, "'include' requires the name of a fragment");
        fragment = template_set_fragment(walk->set, name);
        if (!fragment)
                return walk_fail(walk, "unknown fragment '%s'", name);
        r = include_chain(walk, frame, name);
        if (r == 0 && with)
                r = parameters(walk, frame, with, &names);
        if (r < 0)
                return r;
        return enter_fragment(walk,
                              &(Frame){.outer = frame, .names = names, .fragment = fragment->name},
                              fragment);
}

static int render_branch(Walk *walk, const Frame *frame, json_object *item, const char *branch)
{
        json_object *arguments;
        size_t before;
        int r;

        if (!json_object_object_get_ex(item, branch, &arguments))
                return 0;
        before = walk_enter(walk, ".%s", branch);
        r = render_arguments(walk, frame, arguments);
        if (r == 0)
                walk_leave(walk, before);
        return r;
}

static int render_when(Walk *walk, const Frame *frame, json_object *item)
{
        static const char *const members[] = {"!when", "!do", "else", NULL};
        bool wanted = false;
        int r = walk_check_members(walk, item, members);

        if (r == 0)
                r = expression_condition(walk, frame, json_member(item, "when"), &wanted);
        if (r == 0 && (wanted || walk->check))
                r = render_branch(walk, frame, item, "do");
        if (r == 0 && (!wanted || walk->check))
                r = render_branch(walk, frame, item, "else");
        return r;
}

static int render_argument(Walk *walk, const Frame *frame, json_object *item)
{
        int r = walk_step(walk);

        if (r < 0)
                return r;
        if (json_member(item, "when"))
                return render_when(walk, frame, item);
        if (json_member(item, "each"))
                return expression_walk_each(walk, frame, item, render_branch);
        if (json_member(item, "include"))
                return render_include(walk, frame, item);
        if (!json_object_is_type(item, json_type_object) || json_object_object_length(item) != 1)
                return walk_fail(walk, "must be an object with one member named after the option, "
                                       "or one of 'when', 'each', 'include'");
        json_object_object_foreach (item, option, value) {
                size_t before = walk_enter(walk, ".%s", option);

                r = render_option(walk, frame, option, value);
                if (r == 0)
                        walk_leave(walk, before);
        }
        return r;
}

static int render_arguments(Walk *walk, const Frame *frame, json_object *arguments)
{
        if (!json_object_is_type(arguments, json_type_array))
                return walk_fail(walk, "must be a list of arguments");
        for (size_t i = 0; i < json_object_array_length(arguments); i++) {
                size_t before = walk_enter(walk, "[%zu]", i);
                int r = render_argument(walk, frame, json_object_array_get_idx(arguments, i));

                if (r < 0)
                        return r;
                walk_leave(walk, before);
        }
        return 0;
}

static int render_device(Walk *walk, json_object *item)
{
        static const char *const members[] = {"!when", "!value", NULL};
        bool wanted = true;
        int r;

        if (json_member(item, "when")) {
                r = walk_check_members(walk, item, members);
                if (r == 0)
                        r = expression_condition(walk, NULL, json_member(item, "when"), &wanted);
                if (r < 0)
                        return r;
                item = json_member(item, "value");
        }
        if (!json_object_is_type(item, json_type_string) || *json_object_get_string(item) != '/')
                return walk_fail(walk, "a device must be an absolute path");
        for (char **known = walk->plan->devices; wanted && *known; known++)
                wanted = strcmp(*known, json_object_get_string(item)) != 0;
        if (!wanted)
                return 0;
        for (char **end = walk->plan->devices;; end++)
                if (!*end) {
                        *end = strdup(json_object_get_string(item));
                        return *end ? 0 : walk_no_memory(walk);
                }
}

static int render_devices(Walk *walk, json_object *devices)
{
        size_t n = devices ? json_object_array_length(devices) : 0;
        int r = 0;

        walk->plan->devices = calloc(n + 1, sizeof(char *));
        if (!walk->plan->devices)
                return walk_no_memory(walk);
        for (size_t i = 0; r == 0 && i < n; i++) {
                size_t before = walk_enter(walk, "[%zu]", i);

                r = render_device(walk, json_object_array_get_idx(devices, i));
                if (r == 0)
                        walk_leave(walk, before);
        }
        return r;
}

int render_template(Walk *walk)
{
        size_t before = walk_enter(walk, "arguments");
        int r = render_arguments(walk, NULL, walk->template->arguments);

        if (r < 0)
                return r;
        walk_leave(walk, before);
        before = walk_enter(walk, "devices");
        r = render_devices(walk, walk->template->devices);
        if (r < 0)
                return r;
        walk_leave(walk, before);
        return 0;
}
