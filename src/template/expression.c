/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Variables, conditions and values.
 *
 * Substitution is in the tree: a value never becomes text before the option writer, so that what a
 * spec says cannot change the structure of a command line.
 */

#include <stdio.h>
#include <string.h>

#include "template/expression.h"

/* The number of a descriptor, given at its first use. */
static int descriptor_number(Walk *walk, const char *what, json_object **ret)
{
        LaunchPlan *plan = walk->plan;
        PlanDescriptor *grown;
        int number = launch_plan_fd(plan, what);

        if (number < 0) {
                number = PLAN_FD_FIRST + (int)plan->n_descriptors;
                grown = reallocarray(plan->descriptors, plan->n_descriptors + 1, sizeof(*grown));
                if (!grown)
                        return walk_no_memory(walk);
                plan->descriptors = grown;
                grown[plan->n_descriptors] = (PlanDescriptor){number, strdup(what)};
                if (!grown[plan->n_descriptors].what)
                        return walk_no_memory(walk);
                plan->n_descriptors++;
        }
        *ret = json_object_new_int(number);
        return *ret ? 0 : walk_no_memory(walk);
}

/* What a name such as "vm.name" or, in a loop, "share.tag" stands for; borrowed. */
static int look_up(Walk *walk, const Frame *frame, const char *name, json_object **ret)
{
        const char *dot = strchrnul(name, '.');
        _cleanup_free_ char *first = strndup(name, (size_t)(dot - name));
        json_object *value = NULL;

        if (!first)
                return walk_no_memory(walk);
        for (; frame && !value; frame = frame->fragment ? NULL : frame->outer)
                value = json_member(frame->names, first);
        if (!value)
                value = json_member(walk->variables, first);
        while (value && *dot) {
                const char *next = strchrnul(dot + 1, '.');
                _cleanup_free_ char *key = strndup(dot + 1, (size_t)(next - dot - 1));

                if (!key)
                        return walk_no_memory(walk);
                value = json_member(value, key);
                dot = next;
        }
        if (!value)
                return walk_fail(walk, "unknown variable '%s'", name);
        if (strcmp(name, "host.cbitpos") == 0)
                walk->used_cbitpos = true;
        *ret = value;
        return 0;
}

/* The value of a variable, a reference of the caller's. */
static int variable_value(Walk *walk, const Frame *frame, const char *name, json_object **ret)
{
        json_object *value;
        const char *what;
        int r = look_up(walk, frame, name, &value);

        if (r < 0)
                return r;
        what = json_member_string(value, "$fd");
        if (what)
                return descriptor_number(walk, what, ret);
        if (json_object_is_type(value, json_type_object))
                return walk_fail(walk, "'%s' is a group of variables", name);
        *ret = json_object_get(value);
        return 0;
}

/* Replaces ${…} in a string: alone it keeps the variable's type, within other text it must not be a
 * list. "$${" stands for "${". */
static int text_value(Walk *walk, const Frame *frame, const char *text, json_object **ret)
{
        _cleanup_(buffer_done) Buffer out = {};
        const char *p = text;
        int r;

        while (*p) {
                _cleanup_json_ json_object *value = NULL;
                _cleanup_free_ char *name = NULL;
                const char *end;

                if (strncmp(p, "$${", 3) == 0) {
                        if (buffer_append(&out, "${", 2) < 0)
                                return walk_no_memory(walk);
                        p += 3;
                        continue;
                }
                if (strncmp(p, "${", 2) != 0) {
                        size_t plain = strcspn(p, "$") ?: 1;

                        if (buffer_append(&out, p, plain) < 0)
                                return walk_no_memory(walk);
                        p += plain;
                        continue;
                }
                end = strchr(p, '}');
                if (!end)
                        return walk_fail(walk, "'${' without '}'");
                name = strndup(p + 2, (size_t)(end - p - 2));
                if (!name)
                        return walk_no_memory(walk);
                r = variable_value(walk, frame, name, &value);
                if (r < 0)
                        return r;
                if (p == text && !end[1]) {
                        r = walk_count(walk, strlen(json_object_get_string(value)));
                        if (r == 0)
                                *ret = TAKE_PTR(value);
                        return r;
                }
                if (json_object_is_type(value, json_type_array))
                        return walk_fail(walk, "'%s' is a list and cannot be used in a text", name);
                if (buffer_append_text(&out, json_object_get_string(value)) < 0)
                        return walk_no_memory(walk);
                if (out.size > RENDER_BYTES_MAX)
                        return walk_count(walk, out.size);
                p = end + 1;
        }
        r = walk_count(walk, out.size);
        if (r < 0)
                return r;
        *ret = json_object_new_string_len(out.data ?: "", (int)out.size);
        return *ret ? 0 : walk_no_memory(walk);
}

static int condition_list(Walk *walk, const Frame *frame, json_object *list, bool all, bool *ret)
{
        bool result = all;

        if (!json_object_is_type(list, json_type_array))
                return walk_fail(walk, "'%s' requires a list of conditions", all ? "all" : "any");
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                bool one = false;
                int r = expression_condition(walk, frame, json_object_array_get_idx(list, i), &one);

                if (r < 0)
                        return r;
                result = all ? result && one : result || one;
        }
        *ret = result;
        return 0;
}

static int condition_equals(Walk *walk, const Frame *frame, json_object *pair, bool *ret)
{
        _cleanup_json_ json_object *a = NULL, *b = NULL;
        int r;

        if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2)
                return walk_fail(walk, "'equals' requires a list of two values");
        r = expression_value(walk, frame, json_object_array_get_idx(pair, 0), &a);
        if (r == 0)
                r = expression_value(walk, frame, json_object_array_get_idx(pair, 1), &b);
        if (r == 0)
                *ret = json_object_equal(a, b);
        return r;
}

/* True is: true, a number other than 0, a text or list that is not empty. */
static int condition_variable(Walk *walk, const Frame *frame, const char *name, bool *ret)
{
        json_object *value;
        int r = look_up(walk, frame, name, &value);

        if (r < 0)
                return r;
        switch (json_object_get_type(value)) {
        case json_type_object:
                return walk_fail(walk, "'%s' is neither true nor false", name);
        case json_type_array:
                *ret = json_object_array_length(value) > 0;
                return 0;
        default:
                *ret = json_object_get_boolean(value);
                return 0;
        }
}

int expression_condition(Walk *walk, const Frame *frame, json_object *condition, bool *ret)
{
        int r = walk_step(walk);

        if (r < 0)
                return r;
        if (json_object_is_type(condition, json_type_string))
                return condition_variable(walk, frame, json_object_get_string(condition), ret);
        if (json_object_is_type(condition, json_type_object) &&
            json_object_object_length(condition) == 1) {
                json_object_object_foreach (condition, key, value) {
                        if (strcmp(key, "not") == 0) {
                                r = expression_condition(walk, frame, value, ret);
                                *ret = !*ret;
                                return r;
                        }
                        if (strcmp(key, "all") == 0 || strcmp(key, "any") == 0)
                                return condition_list(walk, frame, value, strcmp(key, "all") == 0,
                                                      ret);
                        if (strcmp(key, "equals") == 0)
                                return condition_equals(walk, frame, value, ret);
                }
        }
        return walk_fail(walk, "a condition is a variable's name or one of 'not', 'all', 'any', "
                               "'equals'");
}

int expression_each(Walk *walk, const Frame *frame, json_object *each, json_object **ret_list,
                    const char **ret_as)
{
        const char *name = json_member_string(each, "each"), *as = json_member_string(each, "as");
        int r;

        if (!name)
                return walk_fail(walk, "'each' requires the name of a list");
        if (!as || !*as || strpbrk(as, ".{}$"))
                return walk_fail(walk, "'as' requires a name for the list's items");
        r = look_up(walk, frame, name, ret_list);
        if (r < 0)
                return r;
        if (!json_object_is_type(*ret_list, json_type_array))
                return walk_fail(walk, "'%s' is not a list", name);
        *ret_as = as;
        return 0;
}

int expression_walk_each(Walk *walk, const Frame *frame, json_object *item, WalkBranch *branch)
{
        static const char *const members[] = {"!each", "!as", "!do", NULL};
        json_object *list = NULL;
        const char *as = NULL;
        int r = walk_check_members(walk, item, members);

        if (r == 0)
                r = expression_each(walk, frame, item, &list, &as);
        for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++) {
                _cleanup_json_ json_object *names =
                        json_build(as, json_object_get(json_object_array_get_idx(list, i)), NULL);
                const Frame inner = {.outer = frame, .names = names};

                r = names ? branch(walk, &inner, item, "do") : walk_no_memory(walk);
        }
        return r;
}

static int each_values(Walk *walk, const Frame *frame, json_object *each, json_object *into)
{
        static const char *const members[] = {"!each", "!as", "!value", NULL};
        json_object *list;
        const char *as;
        int r = walk_check_members(walk, each, members);

        if (r == 0)
                r = expression_each(walk, frame, each, &list, &as);
        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++) {
                _cleanup_json_ json_object *names =
                        json_build(as, json_object_get(json_object_array_get_idx(list, i)), NULL);
                const Frame inner = {.outer = frame, .names = names};
                json_object *value = NULL;

                r = names ? expression_value(walk, &inner, json_member(each, "value"), &value)
                          : walk_no_memory(walk);
                if (r == 0)
                        json_object_array_add(into, value);
        }
        return r;
}

static int array_value(Walk *walk, const Frame *frame, json_object *array, json_object **ret)
{
        _cleanup_json_ json_object *out = json_object_new_array();

        if (!out)
                return walk_no_memory(walk);
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *item = json_object_array_get_idx(array, i), *value = NULL;
                size_t before = walk_enter(walk, "[%zu]", i);
                int r;

                if (json_member(item, "each")) {
                        r = each_values(walk, frame, item, out);
                } else {
                        r = expression_value(walk, frame, item, &value);
                        if (r == 0)
                                json_object_array_add(out, value);
                }
                if (r < 0)
                        return r;
                walk_leave(walk, before);
        }
        *ret = TAKE_PTR(out);
        return 0;
}

/* A member's value; *ret is NULL if a `when` leaves it out. */
static int member_value(Walk *walk, const Frame *frame, json_object *member, json_object **ret)
{
        static const char *const members[] = {"!when", "!value", "else", NULL};
        json_object *branch;
        bool wanted = false;
        int r;

        if (!json_member(member, "when"))
                return expression_value(walk, frame, member, ret);
        r = walk_check_members(walk, member, members);
        if (r == 0)
                r = expression_condition(walk, frame, json_member(member, "when"), &wanted);
        if (r < 0)
                return r;
        if (walk->check)
                wanted = walk->check == WALK_CHECK_FULL;
        if (!json_object_object_get_ex(member, wanted ? "value" : "else", &branch))
                return 0;
        return expression_value(walk, frame, branch, ret);
}

static int object_value(Walk *walk, const Frame *frame, json_object *object, json_object **ret)
{
        static const char *const words[] = {"when", "each", "include"};
        _cleanup_json_ json_object *out = json_object_new_object();

        if (!out)
                return walk_no_memory(walk);
        /* where they mean nothing they would go to QEMU as keys */
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (json_object_object_get_ex(object, words[i], NULL))
                        return walk_fail(walk, "'%s' is not allowed here", words[i]);
        json_object_object_foreach (object, key, member) {
                size_t before = walk_enter(walk, ".%s", key);
                json_object *value = NULL;
                int r = member ? member_value(walk, frame, member, &value) : 0;

                if (r < 0)
                        return r;
                if (value || !member) /* null is a value of QEMU's JSON */
                        json_object_object_add(out, key, value);
                walk_leave(walk, before);
        }
        *ret = TAKE_PTR(out);
        return 0;
}

int expression_value(Walk *walk, const Frame *frame, json_object *value, json_object **ret)
{
        int r = walk_step(walk);

        if (r < 0)
                return r;
        switch (json_object_get_type(value)) {
        case json_type_string:
                return text_value(walk, frame, json_object_get_string(value), ret);
        case json_type_array:
                return array_value(walk, frame, value, ret);
        case json_type_object:
                return object_value(walk, frame, value, ret);
        case json_type_boolean:
        case json_type_int:
                *ret = json_object_get(value);
                return 0;
        default:
                return walk_fail(
                        walk,
                        "a value must be a string, an integer, true, false, a list or an object");
        }
}
