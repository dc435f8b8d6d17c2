/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <ctype.h>
#include <string.h>

#include "arguments.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"

#define SYNTAX_WIDTH 34

/* "--memory SIZE", "--vsock[=CID]", "--env K=V..." */
static char *option_syntax(const Option *option)
{
        if (!option->value)
                return text_format("--%s", option->name);
        if (option->flags & OPTION_OPTIONAL)
                return text_format("--%s[=%s]", option->name, option->value);
        return text_format("--%s %s%s", option->name, option->value,
                           option->flags & OPTION_REPEATS ? "..." : "");
}

static void print_options(const Verb *verb)
{
        const Option *option;

        puts("\nOptions:");
        for (size_t i = 0; (option = verb_option_at(verb, i)); i++) {
                _cleanup_free_ char *syntax = option_syntax(option);

                printf("  %-*s %s\n", SYNTAX_WIDTH, syntax ?: option->name, option->help);
        }
}

static void print_overview(const Verb *verbs)
{
        puts("Usage: cvmctl [--socket PATH] VERB [ARGUMENT...]\n\nLaunch confidential virtual "
             "machines and manage their life cycle.\n\nVerbs:");
        for (const Verb *verb = verbs; verb->name; verb++)
                if (!verb->hidden)
                        printf("  %-10s %-8s  %s\n", verb->name, verb->synopsis, verb->help);
        print_options(NULL);
        puts("\n`cvmctl help VERB` shows the options of a verb; see cvmctl(1) for everything "
             "else.");
}

void help_print(const Verb *verbs, const Verb *verb)
{
        if (!verb) {
                print_overview(verbs);
                return;
        }
        printf("Usage: cvmctl %s%s%s [OPTION...]\n\n%c%s.\n", verb->name,
               *verb->synopsis ? " " : "", verb->synopsis, toupper(verb->help[0]), verb->help + 1);
        print_options(verb);
        puts("\nSee cvmctl(1) for examples and the exit status.");
}

static json_object *option_json(const Option *option)
{
        return json_build("name", json_new_text(option->name), "value",
                          option->value ? json_new_text(option->value) : NULL, "repeats",
                          json_object_new_boolean(option->flags & OPTION_REPEATS), "help",
                          json_new_text(option->help), NULL);
}

static void print_json(const Verb *verbs, const Verb *only)
{
        _cleanup_json_ json_object *all = json_object_new_array();

        for (const Verb *verb = verbs; verb->name; verb++) {
                json_object *options = json_object_new_array();
                const Option *option;

                for (size_t i = 0; (option = verb_option_at(verb, i)); i++)
                        json_object_array_add(options, option_json(option));
                if (verb->hidden || (only && verb != only))
                        json_object_put(options);
                else
                        json_object_array_add(all,
                                              json_build("name", json_new_text(verb->name),
                                                         "arguments", json_new_text(verb->synopsis),
                                                         "help", json_new_text(verb->help),
                                                         "options", options, NULL));
        }
        output_json(all);
}

ExitStatus verb_help(const Arguments *arguments)
{
        const char *name = arguments_operand(arguments, 0);
        const Verb *verb = name ? verb_find(arguments->cli.verbs, name) : NULL;

        if (name && !verb)
                return arguments_unknown_verb(&arguments->cli, name);
        if (arguments->cli.json)
                print_json(arguments->cli.verbs, verb);
        else
                help_print(arguments->cli.verbs, verb);
        return EXIT_OK;
}
