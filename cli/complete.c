/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What can follow on a command line, for the scripts of cli/completions, from the table of verbs
 * and from what the daemon has. The first line of the output says what the shell completes by
 * itself: "words" (nothing), "files N" or "directories N", whose path begins after N characters of
 * the word. Each further line is a whole word, a tab and what it stands for. After a word that ends
 * in '=' or ':' the user types on.
 *
 * What completes a value or an operand is said in the table by words: "file", "directory", "names"
 * (of CVMs), "platforms", "artifacts" and "images" (of the daemon), "specs" (of cvm@.service),
 * "verbs",
 * "=directory" (after a '='), "labels" (of CVMs), "fields" (of a Cvm) and "-fields" (the same after
 * a '-', too), "filters" (of list); any other word stands for itself.
 */

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "complete_line.h"
#include "cvm_text.h"
#include "fail.h"
#include "named_spec.h"
#include "session.h"
#include "spec/spec.h"

#define COMPLETE_MSEC 2000 /* nobody waits longer for a list */
#define EMBEDDED "embedded:"

/* A value that is typed, and what its words begin with. */
typedef struct Completion {
        const CompleteLine *line;
        const char *typed;  /* what is completed */
        const char *before; /* the part of the word before it, of the length below */
        size_t n_before;
        const char *states; /* of the CVMs that are offered; NULL: all */
        const char *kind;   /* of the artifacts */
} Completion;

/* Prints the word if it continues what is typed. Control characters are of no use in it. */
static void complete_offer(const Completion *completion, const char *word, const char *help)
{
        _cleanup_free_ char *safe = text_escape_control(help);

        if (strncmp(word, completion->typed, strlen(completion->typed)) == 0)
                printf("%.*s%s\t%s\n", (int)completion->n_before, completion->before, word,
                       safe ?: "");
}

/* Whether the list, of words between blanks, has the word. */
static bool complete_has_word(const char *list, const char *word)
{
        size_t length = strlen(word);

        for (const char *p = list; (p = strstr(p, word)); p += length)
                if ((p == list || p[-1] == ' ') && (!p[length] || p[length] == ' '))
                        return true;
        return false;
}

/* The array of a list that the daemon has; NULL if it does not answer. The reply is *ret. */
static json_object *complete_ask(const Completion *completion, const char *method,
                                 const char *member, json_object **ret)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *array;

        *ret = NULL;
        if (session_connect(&completion->line->cli, &client).code)
                return NULL;
        wire_client_set_timeout(client, COMPLETE_MSEC);
        if (wire_client_call(client, method, NULL, NULL, 0, ret, &error) < 0)
                return NULL;
        array = json_member(*ret, member);
        return json_object_is_type(array, json_type_array) ? array : NULL;
}

/* So many characters of what is typed are complete. */
static void complete_skip(Completion *completion, size_t n)
{
        completion->n_before += n;
        completion->typed += n;
}

static void complete_words(Completion *completion, const char *whats);

static void complete_names(const Completion *completion)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvms = complete_ask(completion, MANAGER "List", "cvms", &reply);

        for (size_t i = 0; cvms && i < json_object_array_length(cvms); i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);
                const char *name = json_member_string(cvm, "name");
                const char *state = json_member_string(cvm, "state");

                if (name && state && spec_name_is_valid(name) &&
                    (!completion->states || complete_has_word(completion->states, state)) &&
                    !complete_line_has_operand(completion->line, name))
                        complete_offer(completion, name, state);
        }
}

static void complete_platforms(const Completion *completion)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *templates =
                complete_ask(completion, MANAGER "ListTemplates", "templates", &reply);

        for (size_t i = 0; templates && i < json_object_array_length(templates); i++) {
                json_object *template = json_object_array_get_idx(templates, i);
                const char *name = json_member_string(template, "name");

                if (name && spec_name_is_valid(name))
                        complete_offer(completion, name,
                                       json_member_string(template, "description") ?: "");
        }
}

/* Files come first: what begins with the prefix is offered once all of the prefix is typed. */
static void complete_artifacts(const Completion *completion)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *artifacts;
        bool whole = strncmp(completion->typed, EMBEDDED, strlen(EMBEDDED)) == 0;

        if (!whole) {
                complete_offer(completion, EMBEDDED, "a file that the daemon has");
                return;
        }
        artifacts = complete_ask(completion, MANAGER "ListArtifacts", "artifacts", &reply);
        for (size_t i = 0; artifacts && i < json_object_array_length(artifacts); i++) {
                json_object *artifact = json_object_array_get_idx(artifacts, i);
                const char *name = json_member_string(artifact, "name");
                const char *kind = json_member_string(artifact, "kind");
                const char *origin = json_member_string(artifact, "origin");
                _cleanup_free_ char *word = name ? text_format(EMBEDDED "%s", name) : NULL;

                if (word && kind && origin && strcmp(kind, completion->kind) == 0 &&
                    strcmp(origin, "file") != 0 && spec_name_is_valid(name))
                        complete_offer(completion, word, origin);
        }
}

static void complete_images(const Completion *completion)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *images = complete_ask(completion, MANAGER "ListImages", "images", &reply);

        for (size_t i = 0; images && i < json_object_array_length(images); i++) {
                json_object *image = json_object_array_get_idx(images, i);
                const char *name = json_member_string(image, "name");

                if (name && spec_name_is_valid(name) && !json_member(image, "unusable"))
                        complete_offer(completion, name, json_member_string(image, "origin") ?: "");
        }
}

static void on_spec(void *userdata, const char *name)
{
        const Completion *completion = userdata;

        complete_offer(completion, name, NAMED_SPECS);
}

static void on_field(void *userdata, const char *path)
{
        complete_offer(userdata, path, "");
}

/* minus: a '-' may come before the field. */
static void complete_fields(Completion *completion, bool minus)
{
        if (minus && *completion->typed == '-')
                complete_skip(completion, 1);
        cvm_text_each_field(completion->typed, on_field, completion);
}

/* Each label that a CVM has, as NAME=VALUE. */
static void complete_labels(const Completion *completion)
{
        _cleanup_json_ json_object *reply = NULL, *offered = json_object_new_object();
        json_object *cvms = complete_ask(completion, MANAGER "List", "cvms", &reply);

        for (size_t i = 0; cvms && i < json_object_array_length(cvms); i++) {
                json_object *labels = json_member(json_object_array_get_idx(cvms, i), "labels");

                if (!json_object_is_type(labels, json_type_object))
                        continue;
                json_object_object_foreach (labels, name, value) {
                        _cleanup_free_ char *word =
                                text_format("%s=%s", name, json_object_get_string(value) ?: "");

                        if (word && !json_object_object_get_ex(offered, word, NULL)) {
                                json_object_object_add(offered, word, NULL);
                                complete_offer(completion, word, "");
                        }
                }
        }
}

/* KEY=VALUE of list --filter: the key, then its values. */
static void complete_filters(Completion *completion)
{
        static const struct {
                const char *key, *values;
        } filters[] = {
                {"label=", "labels"}, {"state=", CVM_STATES}, {"platform=", "platforms"},
                {"owner=", ""},       {"name=", "names"},     {"id=", ""},
        };
        size_t size = strcspn(completion->typed, "=");

        for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
                if (!completion->typed[size]) {
                        complete_offer(completion, filters[i].key, "");
                } else if (strncmp(completion->typed, filters[i].key, size + 1) == 0) {
                        complete_skip(completion, size + 1);
                        complete_words(completion, filters[i].values);
                        return;
                }
        }
}

static void complete_verbs(const Completion *completion)
{
        for (const Verb *verb = completion->line->cli.verbs; verb->name; verb++)
                if (!verb->hidden)
                        complete_offer(completion, verb->name, verb->help);
}

/* A word of the table. */
static void complete_by(Completion *completion, const char *what)
{
        if (strcmp(what, "names") == 0)
                complete_names(completion);
        else if (strcmp(what, "platforms") == 0)
                complete_platforms(completion);
        else if (strcmp(what, "artifacts") == 0)
                complete_artifacts(completion);
        else if (strcmp(what, "images") == 0)
                complete_images(completion);
        else if (strcmp(what, "specs") == 0)
                named_spec_each(on_spec, completion);
        else if (strcmp(what, "verbs") == 0)
                complete_verbs(completion);
        else if (strcmp(what, "labels") == 0)
                complete_labels(completion);
        else if (strcmp(what, "filters") == 0)
                complete_filters(completion);
        else if (strcmp(what, "fields") == 0 || strcmp(what, "-fields") == 0)
                complete_fields(completion, *what == '-');
        else if (strcmp(what, "file") != 0 && strcmp(what, "directory") != 0 &&
                 strcmp(what, "=directory") != 0)
                complete_offer(completion, what, "");
}

/* The first line: what the shell completes. */
static void complete_begin(const Completion *completion, const char *whats)
{
        const char *equals = strchr(completion->typed, '=');

        if (complete_has_word(whats, "file"))
                printf("files %zu\n", completion->n_before);
        else if (complete_has_word(whats, "directory"))
                printf("directories %zu\n", completion->n_before);
        else if (complete_has_word(whats, "=directory") && equals)
                printf("directories %zu\n",
                       completion->n_before + (size_t)(equals + 1 - completion->typed));
        else
                puts("words");
}

/* Each word of the table. */
static void complete_words(Completion *completion, const char *whats)
{
        for (const char *p = whats; *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");
                _cleanup_free_ char *what = strndup(p, n);

                if (what)
                        complete_by(completion, what);
                p += n;
        }
}

/* whats: words of the table, or NULL. */
static void complete_value(Completion *completion, const char *whats)
{
        complete_begin(completion, whats ?: "");
        complete_words(completion, whats ?: "");
}

/* Of a list only what follows the last comma is typed. */
static void complete_skip_list(Completion *completion)
{
        const char *comma = strrchr(completion->typed, ',');

        if (comma)
                complete_skip(completion, (size_t)(comma + 1 - completion->typed));
}

/* Those that are not given yet, or can be given again. */
static void complete_options(const Completion *completion)
{
        const Option *option;

        puts("words");
        for (size_t i = 0; (option = verb_option_at(completion->line->verb, i)); i++) {
                _cleanup_free_ char *word = text_format("--%s", option->name);

                if (word && ((option->flags & OPTION_REPEATS) ||
                             !complete_line_has_option(completion->line, option)))
                        complete_offer(completion, word, option->help);
        }
        if (!completion->line->verb)
                complete_offer(completion, "--json", "print JSON");
}

static void complete_operand(Completion *completion)
{
        const Verb *verb = completion->line->verb;
        bool more = completion->line->n_operands < verb->max_operands;

        completion->states = verb->states;
        complete_value(completion, !more               ? NULL
                                   : verb->completion  ? verb->completion
                                   : verb->takes_names ? "names"
                                                       : NULL);
}

static void complete_print(const CompleteLine *line)
{
        const char *word = complete_line_last(line);
        Completion completion = {
                .line = line,
                .typed = word + line->prefix,
                .before = word,
                .n_before = line->prefix,
        };

        if (line->unknown)
                puts("words");
        else if (line->option) {
                completion.kind = line->option->name;
                if (line->option->flags & OPTION_LIST)
                        complete_skip_list(&completion);
                complete_value(&completion, line->option->choices ?: line->option->completion);
        } else if (word[0] == '-' && !line->ended)
                complete_options(&completion);
        else if (line->verb)
                complete_operand(&completion);
        else
                complete_value(&completion, "verbs");
}

ExitStatus verb_complete(const Arguments *arguments)
{
        bool quoted = arguments_has(arguments, "quoted");
        CompleteLine line;

        if (complete_line_new(&arguments->cli, arguments->operands, arguments->n_operands, quoted,
                              &line) < 0)
                return fail_memory(&arguments->cli);
        complete_print(&line);
        complete_line_done(&line);
        return EXIT_OK;
}
