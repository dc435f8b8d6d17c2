/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <ctype.h>
#include <string.h>

#include "arguments.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "paragraph.h"

#define VERB_COLUMN 26   /* at which the explanations of verbs begin */
#define OPTION_COLUMN 30 /* and those of options */

/* "-m, --memory SIZE", "    --vsock[=CID]", "-e, --env K=V..." */
static char *option_syntax(const Option *option)
{
        char letter[] = "    ";

        if (option->letter)
                snprintf(letter, sizeof(letter), "-%c, ", option->letter);
        if (!option->value)
                return text_format("%s--%s", letter, option->name);
        if (option->flags & OPTION_OPTIONAL)
                return text_format("%s--%s[=%s]", letter, option->name, option->value);
        return text_format("%s--%s %s%s", letter, option->name, option->value,
                           option->flags & OPTION_REPEATS ? "..." : "");
}

/* "  SYNTAX   TEXT": a syntax that is too long has a line of its own, and on a narrow terminal the
 * explanation begins further to the left. */
static void help_entry(const char *syntax, const char *text, size_t column)
{
        size_t used = 2 + strlen(syntax);

        if (column > paragraph_width(stdout) / 2)
                column = 8;
        printf("  %s", syntax);
        if (used + 1 > column) {
                putchar('\n');
                used = 0;
        }
        printf("%*s", (int)(column - used), "");
        paragraph_print(stdout, text, column, column);
}

static void print_options(const Verb *verb)
{
        const Option *option;

        for (size_t i = 0; (option = verb_option_at(verb, i)); i++) {
                _cleanup_free_ char *syntax = option_syntax(option);

                if (option->section)
                        printf("\n%s:\n", option->section);
                else if (i == 0)
                        puts("\nOptions:");
                help_entry(syntax ?: option->name, option->help, OPTION_COLUMN);
        }
}

static void print_overview(const Verb *verbs)
{
        static const char *const titles[_VERB_SECTION_MAX] = {
                [VERB_LIFE] = "Launch and control CVMs",
                [VERB_LOOK] = "Look at CVMs",
                [VERB_TRUST] = "Measure and verify",
                [VERB_HOST] = "Look at this host",
                [VERB_OTHER] = "Other",
        };
        static const VerbSection order[] = {VERB_LIFE, VERB_LOOK, VERB_TRUST, VERB_HOST,
                                            VERB_OTHER};

        puts("Usage: cvmctl [GLOBAL OPTION...] VERB [ARGUMENT...]\n");
        paragraph_print(stdout,
                        "Launch confidential virtual machines (CVMs) and manage their life cycle.",
                        0, 0);
        for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
                printf("\n%s:\n", titles[order[i]]);
                for (const Verb *verb = verbs; verb->name; verb++) {
                        _cleanup_free_ char *syntax = text_format(
                                "%s%s%s", verb->name, *verb->synopsis ? " " : "", verb->synopsis);

                        if (!verb->hidden && verb->section == order[i])
                                help_entry(syntax ?: verb->name, verb->help, VERB_COLUMN);
                }
        }
        print_options(NULL);
        puts("\nExamples:\n"
             "  cvmctl launch web --memory 2G --wait ready\n"
             "  cvmctl list\n"
             "  cvmctl console web\n"
             "  cvmctl stop web\n");
        paragraph_print(
                stdout,
                "`cvmctl help VERB` shows the options of a verb; see cvmctl(1) for everything "
                "else.",
                0, 0);
}

static void print_examples(const char *examples)
{
        puts("\nExamples:");
        while (*examples) {
                size_t length = strcspn(examples, "\n");

                printf("  %.*s\n", (int)length, examples);
                examples += length + (examples[length] == '\n');
        }
}

static void print_verb(const Verb *verb)
{
        _cleanup_free_ char *help = NULL;

        printf("Usage: cvmctl %s%s%s [OPTION...]\n\n", verb->name, *verb->synopsis ? " " : "",
               verb->synopsis);
        help = text_format("%c%s.", toupper(verb->help[0]), verb->help + 1);
        paragraph_print(stdout, help ?: verb->help, 0, 0);
        print_options(verb);
        if (verb->examples)
                print_examples(verb->examples);
        putchar('\n');
        paragraph_print(stdout, "See cvmctl(1) for details and the exit status.", 0, 0);
}

static json_object *option_json(const Option *option)
{
        const char letter[] = {option->letter, 0};

        return json_build("name", json_new_text(option->name), "letter",
                          option->letter ? json_new_text(letter) : NULL, "value",
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

void help_print(const Verb *verbs, const Verb *verb, bool json)
{
        if (json)
                print_json(verbs, verb);
        else if (verb)
                print_verb(verb);
        else
                print_overview(verbs);
}

ExitStatus verb_help(const Arguments *arguments)
{
        const char *name = arguments_operand(arguments, 0);
        const Verb *verb = name ? verb_find(arguments->cli.verbs, name) : NULL;

        if (name && !verb)
                return arguments_unknown_verb(&arguments->cli, name);
        help_print(arguments->cli.verbs, verb, arguments->cli.json);
        return EXIT_OK;
}
