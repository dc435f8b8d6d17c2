/* SPDX-License-Identifier: Apache-2.0 */

/* Companions of a template: the description of each, and the command line that a launch renders
 * from it. */

#include <string.h>

#include "template/expression.h"
#include "template/render.h"

#define COMPANION_NAME_MAX 32u

/* It becomes part of file names and of the record. */
static bool is_companion_name(const char *name)
{
        return *name && strlen(name) <= COMPANION_NAME_MAX &&
               name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

/* A member that is a text and not empty; sets *ret, borrowed. */
static int text_member(Walk *walk, json_object *item, const char *key, const char **ret)
{
        const char *text = json_member_string(item, key);

        if (!text || !*text) {
                walk_enter(walk, ".%s", key);
                return walk_fail(walk, "must be a string");
        }
        *ret = text;
        return 0;
}

static int add_word(Walk *walk, const Frame *frame, json_object *item)
{
        _cleanup_json_ json_object *value = NULL;
        int r = expression_value(walk, frame, item, &value);

        if (r < 0)
                return r;
        if (!json_object_is_type(value, json_type_string) &&
            !json_object_is_type(value, json_type_int))
                return walk_fail(walk, "must be a string or an integer");
        return render_word(walk, json_object_get_string(value));
}

static int add_words(Walk *walk, const Frame *frame, json_object *items);

static int add_branch(Walk *walk, const Frame *frame, json_object *item, const char *branch)
{
        size_t before = walk_enter(walk, ".%s", branch);
        int r = add_words(walk, frame, json_member(item, branch));

        if (r == 0)
                walk_leave(walk, before);
        return r;
}

static int add_item(Walk *walk, const Frame *frame, json_object *item)
{
        static const char *const members[] = {"!when", "!do", "else", NULL};
        bool wanted = false;
        int r = walk_step(walk);

        if (r < 0)
                return r;
        if (json_member(item, "each"))
                return expression_walk_each(walk, frame, item, add_branch);
        if (!json_member(item, "when"))
                return add_word(walk, frame, item);
        r = walk_check_members(walk, item, members);
        if (r == 0)
                r = expression_condition(walk, frame, json_member(item, "when"), &wanted);
        if (r == 0 && (wanted || walk->check))
                r = add_branch(walk, frame, item, "do");
        if (r == 0 && (!wanted || walk->check) && json_member(item, "else"))
                r = add_branch(walk, frame, item, "else");
        return r;
}

static int add_words(Walk *walk, const Frame *frame, json_object *items)
{
        if (!json_object_is_type(items, json_type_array))
                return walk_fail(walk, "must be a list of arguments");
        for (size_t i = 0; i < json_object_array_length(items); i++) {
                size_t before = walk_enter(walk, "[%zu]", i);
                int r = add_item(walk, frame, json_object_array_get_idx(items, i));

                if (r < 0)
                        return r;
                walk_leave(walk, before);
        }
        return 0;
}

/* A companion gets only its own descriptors, not those of QEMU. */
static int check_descriptors(Walk *walk, const LaunchPlan *plan, PlanMeeting meeting)
{
        bool pair = meeting == PLAN_MEETING_PAIR;

        for (size_t i = 0; i < plan->n_descriptors; i++) {
                const char *what = plan->descriptors[i].what;

                if (strcmp(what, PLAN_COMPANION_DIRECTORY) != 0 &&
                    strcmp(what, PLAN_COMPANION_SOCKET) != 0)
                        return walk_fail(walk, "a companion has no descriptor '%s'", what);
        }
        if (pair != (launch_plan_fd(plan, PLAN_COMPANION_SOCKET) >= 0))
                return walk_fail(
                        walk,
                        pair ? "with \"socket\": \"pair\", its arguments must use ${self.socket}"
                             : "${self.socket} is available only with \"socket\": \"pair\"");
        return 0;
}

/* Renders into a plan of its own. */
static int template_companion_render_arguments(Walk *walk, json_object *item,
                                               PlanCompanion *companion)
{
        _cleanup_json_ json_object *names =
                json_build("self",
                           json_build("directory", variables_descriptor(PLAN_COMPANION_DIRECTORY),
                                      "socket", variables_descriptor(PLAN_COMPANION_SOCKET), NULL),
                           NULL);
        const Frame frame = {.names = names};
        LaunchPlan *outer = walk->plan;
        size_t before;
        int r;

        if (!names)
                return walk_no_memory(walk);
        walk->plan = companion->command;
        r = render_word(walk, json_member_string(item, "program"));
        if (r == 0) {
                before = walk_enter(walk, ".arguments");
                r = add_words(walk, &frame, json_member(item, "arguments"));
                if (r == 0)
                        walk_leave(walk, before);
        }
        walk->plan = outer;
        return r < 0 ? r : check_descriptors(walk, companion->command, companion->meeting);
}

static int template_companion_parse(Walk *walk, json_object *item, PlanCompanion *ret)
{
        static const char *const meetings[] = {
                [PLAN_MEETING_LISTEN] = "listen",
                [PLAN_MEETING_PAIR] = "pair",
                [PLAN_MEETING_NONE] = "none",
        };
        static const char *const members[] = {"!name",      "!program", "!package", "!socket",
                                              "!arguments", "when",     NULL};
        const char *name = NULL, *program = NULL, *package = NULL, *socket = NULL;
        int r;

        if (!json_object_is_type(item, json_type_object))
                return walk_fail(walk, "must be an object");
        if ((r = walk_check_members(walk, item, members)) < 0 ||
            (r = text_member(walk, item, "name", &name)) < 0 ||
            (r = text_member(walk, item, "program", &program)) < 0 ||
            (r = text_member(walk, item, "package", &package)) < 0 ||
            (r = text_member(walk, item, "socket", &socket)) < 0)
                return r;
        if (!is_companion_name(name))
                return walk_fail(walk, "'name' must be 1 to %u lowercase letters, digits and '-'",
                                 COMPANION_NAME_MAX);
        if (strchr(program, '/') || *program == '.')
                return walk_fail(walk,
                                 "'program' must be a program's file name, without directories");
        while (ret->meeting < _PLAN_MEETING_MAX && strcmp(meetings[ret->meeting], socket) != 0)
                ret->meeting++;
        if (ret->meeting == _PLAN_MEETING_MAX)
                return walk_fail(walk, "'socket' must be \"listen\", \"pair\" or \"none\"");
        if (ret->meeting == PLAN_MEETING_PAIR && walk->by_path && !walk->check)
                return walk_fail(walk,
                                 "a libvirt domain cannot have a companion whose socket is a pair");
        ret->name = strdup(name);
        ret->package = strdup(package);
        ret->command = calloc(1, sizeof(*ret->command));
        return ret->name && ret->package && ret->command ? 0 : walk_no_memory(walk);
}

static int render_companion(Walk *walk, json_object *item)
{
        LaunchPlan *plan = walk->plan;
        PlanCompanion *companion = &plan->companions[plan->n_companions];
        bool wanted = true;
        int r;

        if (json_member(item, "when")) {
                size_t before = walk_enter(walk, ".when");

                r = expression_condition(walk, NULL, json_member(item, "when"), &wanted);
                if (r < 0)
                        return r;
                walk_leave(walk, before);
        }
        if (!wanted && !walk->check)
                return 0;
        plan->n_companions++; /* also one that is made in part is freed with the plan */
        r = template_companion_parse(walk, item, companion);
        for (size_t i = 0; r == 0 && i + 1 < plan->n_companions; i++)
                if (strcmp(plan->companions[i].name, companion->name) == 0)
                        r = walk_fail(walk, "there is already a companion '%s'", companion->name);
        return r < 0 ? r : template_companion_render_arguments(walk, item, companion);
}

static int render_list(Walk *walk, json_object *list)
{
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                size_t before = walk_enter(walk, FRAGMENT_COMPANIONS "[%zu]", i);
                int r;

                if (walk->plan->n_companions == PLAN_COMPANIONS_MAX)
                        return walk_fail(walk, "more than %u", PLAN_COMPANIONS_MAX);
                r = render_companion(walk, json_object_array_get_idx(list, i));
                if (r < 0)
                        return r;
                walk_leave(walk, before);
        }
        return 0;
}

/* The template's own, and those of all templates. */
int render_companions(Walk *walk)
{
        const Fragment *shared = template_set_fragment(walk->set, FRAGMENT_COMPANIONS);
        const Document *document = walk->document;
        int r = render_list(walk, walk->template->companions);

        if (r < 0 || !shared)
                return r;
        walk->document = shared->document;
        r = render_list(walk, shared->arguments);
        if (r == 0)
                walk->document = document;
        return r;
}
