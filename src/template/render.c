/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rendering: a walk over the template's arguments, substituting in the tree.
 *
 * Values never become text before the option writer: what a spec says cannot change the structure
 * of a command line. The walk is bounded in arguments, bytes, steps and depth of includes.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* A loop variable or a fragment in work; on the stack of the walk. */
typedef struct Frame {
        const struct Frame *outer;
        const char *variable; /* name and value of a loop variable, or NULL */
        json_object *value;
        const char *fragment; /* name of a fragment, or NULL */
} Frame;

typedef struct Render {
        const TemplateSet *set;
        const Template *template;
        json_object *variables; /* owned */
        LaunchPlan *plan;       /* owned */
        Buffer path;            /* where in the template: "arguments[3].machine.type" */
        size_t bytes;
        unsigned steps;
        CvmError *error;
} Render;

static int fail(Render *render, const char *format, ...) _printf_(2, 3);

static int fail(Render *render, const char *format, ...)
{
        _cleanup_free_ char *reason = NULL;
        unsigned line = 0;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&reason, format, ap);
        va_end(ap);
        if (n < 0)
                reason = NULL;
        if (render->template->text && render->path.data)
                line = json_locate(render->template->text, strlen(render->template->text),
                                   render->path.data);
        if (line)
                return cvm_error_template(render->error, render->template->name, "%s:%u: %s: %s",
                                          render->template->origin, line, render->path.data,
                                          reason ?: "out of memory");
        return cvm_error_template(render->error, render->template->name, "%s: %s",
                                  render->path.data ?: "", reason ?: "out of memory");
}

static int out_of_memory(Render *render)
{
        return cvm_error_system(render->error, -ENOMEM, "render");
}

static int step(Render *render)
{
        return ++render->steps > RENDER_STEPS_MAX ? fail(render, "too much work") : 0;
}

/* Goes down in the path; the result is for path_leave(). */
static size_t path_enter(Render *render, const char *format, ...) _printf_(2, 3);

static size_t path_enter(Render *render, const char *format, ...)
{
        _cleanup_free_ char *part = NULL;
        size_t before = render->path.size;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&part, format, ap);
        va_end(ap);
        if (n >= 0 && buffer_append_text(&render->path, part) < 0)
                return before; /* only a message will be shorter */
        return before;
}

static void path_leave(Render *render, size_t before)
{
        if (!render->path.data)
                return;
        render->path.size = before;
        render->path.data[before] = 0;
}

/* The number of a descriptor, given at its first use. */
static int descriptor_number(Render *render, const char *what, json_object **ret)
{
        LaunchPlan *plan = render->plan;
        PlanDescriptor *grown;
        int number = launch_plan_fd(plan, what);

        if (number < 0) {
                number = PLAN_FD_FIRST + (int)plan->n_descriptors;
                grown = reallocarray(plan->descriptors, plan->n_descriptors + 1, sizeof(*grown));
                if (!grown)
                        return out_of_memory(render);
                plan->descriptors = grown;
                grown[plan->n_descriptors] = (PlanDescriptor){number, strdup(what)};
                if (!grown[plan->n_descriptors].what)
                        return out_of_memory(render);
                plan->n_descriptors++;
        }
        *ret = json_object_new_int(number);
        return 0;
}

/* The value of a variable such as "vm.name" or, in a loop, "share.tag": a reference of the
 * caller's. */
static int look_up(Render *render, const Frame *frame, const char *name, json_object **ret)
{
        const char *dot = strchrnul(name, '.');
        _cleanup_free_ char *first = strndup(name, (size_t)(dot - name));
        json_object *value = NULL;
        const char *what;

        if (!first)
                return out_of_memory(render);
        for (; frame && !value; frame = frame->outer)
                if (frame->variable && strcmp(frame->variable, first) == 0)
                        value = frame->value;
        if (!value)
                value = json_member(render->variables, first);
        while (value && *dot) {
                const char *next = strchrnul(dot + 1, '.');
                _cleanup_free_ char *key = strndup(dot + 1, (size_t)(next - dot - 1));

                value = key ? json_member(value, key) : NULL;
                dot = next;
        }
        if (!value)
                return fail(render, "unknown variable '%s'", name);
        what = json_member_string(value, "$fd");
        if (what)
                return descriptor_number(render, what, ret);
        *ret = json_object_get(value);
        return 0;
}

/* Replaces ${…} in a string: alone it keeps the variable's type, within other text it must be a
 * scalar. "$${" stands for "${". */
static int substitute_text(Render *render, const Frame *frame, const char *text, json_object **ret)
{
        _cleanup_(buffer_done) Buffer out = {};
        const char *p = text;

        while (*p) {
                _cleanup_json_ json_object *value = NULL;
                _cleanup_free_ char *name = NULL;
                const char *end;
                int r;

                if (strncmp(p, "$${", 3) == 0) {
                        if (buffer_append(&out, "${", 2) < 0)
                                return out_of_memory(render);
                        p += 3;
                        continue;
                }
                if (strncmp(p, "${", 2) != 0) {
                        if (buffer_append(&out, p++, 1) < 0)
                                return out_of_memory(render);
                        continue;
                }
                end = strchr(p, '}');
                if (!end)
                        return fail(render, "'${' without '}'");
                name = strndup(p + 2, (size_t)(end - p - 2));
                if (!name)
                        return out_of_memory(render);
                r = look_up(render, frame, name, &value);
                if (r < 0)
                        return r;
                if (p == text && !end[1]) {
                        *ret = TAKE_PTR(value);
                        return 0;
                }
                if (json_object_is_type(value, json_type_object) ||
                    json_object_is_type(value, json_type_array))
                        return fail(render, "variable '%s' is no scalar and cannot stand in a text",
                                    name);
                if (buffer_append_text(&out, json_object_get_string(value)) < 0)
                        return out_of_memory(render);
                if (out.size > RENDER_BYTES_MAX)
                        return fail(render, "the text is too long");
                p = end + 1;
        }
        *ret = json_object_new_string_len(out.data ?: "", (int)out.size);
        return *ret ? 0 : out_of_memory(render);
}

static int substitute(Render *render, const Frame *frame, json_object *value, json_object **ret);

static bool is_true(json_object *value)
{
        if (json_object_is_type(value, json_type_string))
                return json_object_get_string_len(value) > 0;
        if (json_object_is_type(value, json_type_array))
                return json_object_array_length(value) > 0;
        return json_object_get_boolean(value);
}

static int evaluate(Render *render, const Frame *frame, json_object *condition, bool *ret);

static int evaluate_list(Render *render, const Frame *frame, json_object *list, bool all, bool *ret)
{
        if (!json_object_is_type(list, json_type_array))
                return fail(render, "'all' and 'any' take an array of conditions");
        *ret = all;
        for (size_t i = 0; i < json_object_array_length(list) && *ret == all; i++) {
                int r = evaluate(render, frame, json_object_array_get_idx(list, i), ret);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int evaluate_equals(Render *render, const Frame *frame, json_object *pair, bool *ret)
{
        _cleanup_json_ json_object *a = NULL, *b = NULL;
        int r;

        if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2)
                return fail(render, "'equals' takes an array of two values");
        r = substitute(render, frame, json_object_array_get_idx(pair, 0), &a);
        if (r == 0)
                r = substitute(render, frame, json_object_array_get_idx(pair, 1), &b);
        if (r == 0)
                *ret = json_object_equal(a, b);
        return r;
}

/* A condition: a variable's name, or {"not": C}, {"all": [C…]}, {"any": [C…]}, {"equals": [A, B]}.
 */
static int evaluate(Render *render, const Frame *frame, json_object *condition, bool *ret)
{
        int r = step(render);

        if (r < 0)
                return r;
        if (json_object_is_type(condition, json_type_string)) {
                _cleanup_json_ json_object *value = NULL;

                r = look_up(render, frame, json_object_get_string(condition), &value);
                if (r == 0)
                        *ret = is_true(value);
                return r;
        }
        if (json_object_is_type(condition, json_type_object) &&
            json_object_object_length(condition) == 1) {
                json_object_object_foreach (condition, key, value) {
                        if (strcmp(key, "not") == 0) {
                                r = evaluate(render, frame, value, ret);
                                *ret = !*ret;
                                return r;
                        }
                        if (strcmp(key, "all") == 0 || strcmp(key, "any") == 0)
                                return evaluate_list(render, frame, value, strcmp(key, "all") == 0,
                                                     ret);
                        if (strcmp(key, "equals") == 0)
                                return evaluate_equals(render, frame, value, ret);
                }
        }
        return fail(render, "a condition is a variable's name or one of not, all, any, equals");
}

/* The list that an `each` names: an array, a reference of the caller's. */
static int each_list(Render *render, const Frame *frame, json_object *each, json_object **ret)
{
        int r;

        if (!json_object_is_type(json_member(each, "each"), json_type_string) ||
            !json_member_string(each, "as"))
                return fail(render, "'each' names a list and needs 'as', the name of its item");
        r = look_up(render, frame, json_member_string(each, "each"), ret);
        if (r == 0 && !json_object_is_type(*ret, json_type_array)) {
                json_object_put(*ret);
                return fail(render, "variable '%s' is no list", json_member_string(each, "each"));
        }
        return r;
}

/* Whether an object is one of our words rather than a value: it has `word` and nothing but `known`.
 */
static int check_word(Render *render, json_object *object, const char *const *known)
{
        json_object_object_foreach (object, key, value) {
                const char *const *k = known;

                (void)value;
                while (*k && strcmp(*k, key) != 0)
                        k++;
                if (!*k)
                        return fail(render, "unknown member '%s' beside '%s'", key, known[0]);
        }
        return 0;
}

static int substitute_each(Render *render, const Frame *frame, json_object *each, json_object *into)
{
        static const char *const known[] = {"each", "as", "value", NULL};
        _cleanup_json_ json_object *list = NULL;
        int r = check_word(render, each, known);

        if (r == 0)
                r = each_list(render, frame, each, &list);
        for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++) {
                const Frame item = {.outer = frame,
                                    .variable = json_member_string(each, "as"),
                                    .value = json_object_array_get_idx(list, i)};
                json_object *value = NULL;

                r = substitute(render, &item, json_member(each, "value"), &value);
                if (r == 0)
                        json_object_array_add(into, value);
        }
        return r;
}

static int substitute_array(Render *render, const Frame *frame, json_object *array,
                            json_object **ret)
{
        _cleanup_json_ json_object *out = json_object_new_array();

        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *item = json_object_array_get_idx(array, i), *value = NULL;
                size_t before = path_enter(render, "[%zu]", i);
                int r;

                if (json_member(item, "each")) {
                        r = substitute_each(render, frame, item, out);
                } else {
                        r = substitute(render, frame, item, &value);
                        if (r == 0)
                                json_object_array_add(out, value);
                }
                if (r < 0)
                        return r;
                path_leave(render, before);
        }
        *ret = TAKE_PTR(out);
        return 0;
}

static int substitute_object(Render *render, const Frame *frame, json_object *object,
                             json_object **ret)
{
        static const char *const known[] = {"when", "value", NULL};
        _cleanup_json_ json_object *out = json_object_new_object();

        json_object_object_foreach (object, key, member) {
                size_t before = path_enter(render, ".%s", key);
                json_object *value = NULL;
                bool wanted = true;
                int r = 0;

                if (json_member(member, "when")) {
                        r = check_word(render, member, known);
                        if (r == 0)
                                r = evaluate(render, frame, json_member(member, "when"), &wanted);
                        member = json_member(member, "value");
                }
                if (r == 0 && wanted)
                        r = substitute(render, frame, member, &value);
                if (r < 0)
                        return r;
                if (wanted)
                        json_object_object_add(out, key, value);
                path_leave(render, before);
        }
        *ret = TAKE_PTR(out);
        return 0;
}

static int substitute(Render *render, const Frame *frame, json_object *value, json_object **ret)
{
        int r = step(render);

        if (r < 0)
                return r;
        switch (json_object_get_type(value)) {
        case json_type_string:
                return substitute_text(render, frame, json_object_get_string(value), ret);
        case json_type_array:
                return substitute_array(render, frame, value, ret);
        case json_type_object:
                return substitute_object(render, frame, value, ret);
        default:
                *ret = json_object_get(value);
                return 0;
        }
}

static int add_argument(Render *render, const char *format, const char *text)
{
        LaunchPlan *plan = render->plan;
        char **grown;

        render->bytes += strlen(text);
        if (plan->argc >= RENDER_ARGUMENTS_MAX || render->bytes > RENDER_BYTES_MAX)
                return fail(render, "the command line is too long");
        grown = reallocarray(plan->argv, plan->argc + 2, sizeof(*grown));
        if (!grown)
                return out_of_memory(render);
        plan->argv = grown;
        if (asprintf(&grown[plan->argc], format[0] == '-' ? "-%s" : "%s", text) < 0) {
                grown[plan->argc] = NULL;
                return out_of_memory(render);
        }
        grown[++plan->argc] = NULL;
        return 0;
}

static int render_option(Render *render, const Frame *frame, const char *option, json_object *value)
{
        _cleanup_json_ json_object *substituted = NULL;
        _cleanup_(buffer_done) Buffer text = {};
        const char *reason = "out of memory";
        int r;

        r = substitute(render, frame, value, &substituted);
        if (r == 0)
                r = add_argument(render, "-", option);
        if (r < 0 || !substituted)
                return r;
        if (json_object_is_type(substituted, json_type_object))
                r = option_write(option, substituted, &text, &reason);
        else if (json_object_is_type(substituted, json_type_array) ||
                 json_object_is_type(substituted, json_type_double))
                return fail(render, "must be null, a scalar or an object");
        else if (json_object_is_type(substituted, json_type_boolean))
                r = buffer_append_text(&text, json_object_get_boolean(substituted) ? "on" : "off");
        else
                r = buffer_append_text(&text, json_object_get_string(substituted));
        if (r < 0)
                return fail(render, "%s", reason);
        return add_argument(render, "", text.data ?: "");
}

static int render_arguments(Render *render, const Frame *frame, json_object *arguments);

static int render_include(Render *render, const Frame *frame, json_object *include)
{
        const char *name = json_object_get_string(include);
        json_object *fragment;
        const Frame inner = {.outer = frame, .fragment = name};
        _cleanup_(buffer_done) Buffer chain = {};
        unsigned depth = 0;

        if (!json_object_is_type(include, json_type_string))
                return fail(render, "'include' takes the name of a fragment");
        for (const Frame *f = frame; f; f = f->outer) {
                if (!f->fragment)
                        continue;
                depth++;
                if (buffer_appendf(&chain, " in %s", f->fragment) < 0)
                        return out_of_memory(render);
                if (strcmp(f->fragment, name) == 0)
                        return fail(render, "fragment '%s' includes itself (%s%s)", name, name,
                                    chain.data);
        }
        if (depth >= RENDER_INCLUDES_MAX)
                return fail(render, "fragments include each other too deep");
        fragment = template_set_fragment(render->set, name);
        if (!fragment)
                return fail(render, "there is no fragment '%s'", name);
        return render_arguments(render, &inner, fragment);
}

static int render_when(Render *render, const Frame *frame, json_object *item)
{
        static const char *const known[] = {"when", "do", "else", NULL};
        json_object *branch;
        bool wanted = false;
        int r = check_word(render, item, known);

        if (r == 0)
                r = evaluate(render, frame, json_member(item, "when"), &wanted);
        if (r < 0)
                return r;
        branch = json_member(item, wanted ? "do" : "else");
        return branch ? render_arguments(render, frame, branch) : 0;
}

static int render_each(Render *render, const Frame *frame, json_object *item)
{
        static const char *const known[] = {"each", "as", "do", NULL};
        _cleanup_json_ json_object *list = NULL;
        int r = check_word(render, item, known);

        if (r == 0)
                r = each_list(render, frame, item, &list);
        for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++) {
                const Frame inner = {.outer = frame,
                                     .variable = json_member_string(item, "as"),
                                     .value = json_object_array_get_idx(list, i)};

                r = render_arguments(render, &inner, json_member(item, "do"));
        }
        return r;
}

static int render_argument(Render *render, const Frame *frame, json_object *item)
{
        int r = step(render);

        if (r < 0)
                return r;
        if (!json_object_is_type(item, json_type_object))
                return fail(render, "an argument is an object");
        if (json_member(item, "when"))
                return render_when(render, frame, item);
        if (json_member(item, "each"))
                return render_each(render, frame, item);
        if (json_object_object_length(item) != 1)
                return fail(render, "an argument has one member, the option's name");
        json_object_object_foreach (item, option, value) {
                size_t before = path_enter(render, ".%s", option);

                r = strcmp(option, "include") == 0 ? render_include(render, frame, value)
                                                   : render_option(render, frame, option, value);
                if (r < 0)
                        return r;
                path_leave(render, before);
        }
        return 0;
}

static int render_arguments(Render *render, const Frame *frame, json_object *arguments)
{
        if (!json_object_is_type(arguments, json_type_array))
                return fail(render, "must be an array of arguments");
        for (size_t i = 0; i < json_object_array_length(arguments); i++) {
                size_t before = path_enter(render, "[%zu]", i);
                int r = render_argument(render, frame, json_object_array_get_idx(arguments, i));

                if (r < 0)
                        return r;
                path_leave(render, before);
        }
        return 0;
}

/* Devices that QEMU opens by path: strings, or {"when": C, "value": PATH}. */
static int render_devices(Render *render)
{
        size_t n = render->template->devices ? json_object_array_length(render->template->devices)
                                             : 0,
               used = 0;

        render->plan->devices = calloc(n + 1, sizeof(char *));
        if (!render->plan->devices)
                return out_of_memory(render);
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(render->template->devices, i);
                _cleanup_json_ json_object *path = NULL;
                size_t before = path_enter(render, "devices[%zu]", i);
                bool wanted = true;
                int r = 0;

                if (json_member(item, "when")) {
                        r = evaluate(render, NULL, json_member(item, "when"), &wanted);
                        item = json_member(item, "value");
                }
                if (r == 0 && wanted)
                        r = substitute(render, NULL, item, &path);
                if (r < 0)
                        return r;
                if (wanted && !json_object_is_type(path, json_type_string))
                        return fail(render, "a device is a path");
                if (wanted &&
                    !(render->plan->devices[used++] = strdup(json_object_get_string(path))))
                        return out_of_memory(render);
                path_leave(render, before);
        }
        return 0;
}

static int add_missing(Render *render, const PlanInputs *inputs)
{
        HostCheckList *missing = &render->plan->missing;
        int r = 0;

        for (char **name = render->template->host_checks; r == 0 && *name; name++) {
                _cleanup_(host_check_done) HostCheck check = {};

                r = host_check(inputs->host, *name, &check);
                if (r == -ENOENT)
                        return fail(render, "requires.host: there is no check '%s'", *name);
                if (r == 0 && !check.passed)
                        r = host_check_list_add(missing, &check);
        }
        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++)
                if (render->template->artifacts[kind].needed && !inputs->artifacts[kind].present)
                        r = host_check_list_add_new(
                                missing, spec_artifact_kind_name(kind), "none", "one", false,
                                "name a file in the spec, or build cvmd with one embedded");
        return r < 0 ? out_of_memory(render) : 0;
}

int template_render(const TemplateSet *set, const Template *template, const PlanInputs *inputs,
                    LaunchPlan **ret, CvmError *error)
{
        Render render = {.set = set, .template = template, .error = error};
        size_t before;
        int r;

        r = security_check(template, inputs->spec, error);
        if (r < 0)
                return r;
        render.plan = calloc(1, sizeof(*render.plan));
        render.variables = variables_new(template, inputs);
        r = render.plan && render.variables ? add_argument(&render, "", inputs->qemu)
                                            : out_of_memory(&render);
        if (r == 0) {
                before = path_enter(&render, "arguments");
                r = render_arguments(&render, NULL, template->arguments);
                path_leave(&render, before);
        }
        if (r == 0)
                r = render_devices(&render);
        if (r == 0)
                r = add_missing(&render, inputs);
        json_object_put(render.variables);
        buffer_done(&render.path);
        if (r < 0) {
                launch_plan_free(render.plan);
                return r;
        }
        *ret = render.plan;
        return 0;
}
