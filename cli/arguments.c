/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/suggest.h"
#include "base/text.h"
#include "elsewhere.h"
#include "fail.h"

/* The verb that may be meant, or NULL. What takes something away must be meant: it has the first
 * letter, and is one slip away. */
static const char *arguments_suggest_verb(const Cli *cli, const char *name)
{
        Suggestion best = suggest_begin(name);

        for (const Verb *verb = cli->verbs; verb->name; verb++) {
                Suggestion slip = suggest_begin(name);

                suggest_candidate(&slip, verb->name);
                if (!verb->hidden &&
                    (!verb->destroys || (*verb->name == *name && slip.distance <= 1)))
                        suggest_candidate(&best, verb->name);
        }
        return best.found;
}

ExitStatus arguments_unknown_verb(const Cli *cli, const char *name)
{
        const ElsewhereWord *word = elsewhere_find(name);
        const char *instead = word ? word->instead : arguments_suggest_verb(cli, name);
        Cli of_none = *cli; /* the verb that the help is asked of */

        of_none.verb = NULL;
        if (word && word->why)
                return fail_usage(&of_none, "unknown command '%s': %s", name, word->why);
        if (instead)
                return fail_usage(&of_none, "unknown command '%s'; did you mean '%s'?", name,
                                  instead);
        return fail_usage(&of_none, "unknown command '%s'", name);
}

/* "-i", or "-i" in "-it". */
static ExitStatus arguments_unknown_letter(const Cli *cli, const char *written, const char *word)
{
        bool launches = cli->verb && verb_option(cli->verb, "kernel");
        const char *instead = launches ? elsewhere_option(written[1]) : NULL;
        bool alone = strcmp(written, word) == 0;

        return fail_usage(cli, "unknown option '%s'%s%s%s%s%s", written, alone ? "" : " in '",
                          alone ? "" : word, alone ? "" : "'", instead ? "; " : "", instead ?: "");
}

static ExitStatus unknown_option(const Cli *cli, const char *name)
{
        Suggestion best = suggest_begin(name);
        const Option *option;

        for (size_t i = 0; (option = verb_option_at(cli->verb, i)); i++)
                suggest_candidate(&best, option->name);
        if (best.found)
                return fail_usage(cli, "unknown option '--%s'; did you mean '--%s'?", name,
                                  best.found);
        return fail_usage(cli, "unknown option '--%s'", name);
}

/* Whether the value is one of the option's choices, or each of several with commas between them. */
static bool arguments_is_choice(const Option *option, const char *value)
{
        bool several = option->flags & OPTION_LIST;

        for (;;) {
                size_t size = several ? strcspn(value, ",") : strlen(value);

                if (!verb_is_choice(option->choices, value, size))
                        return false;
                if (!value[size])
                        return true;
                value += size + 1;
        }
}

static ExitStatus refuse_number(const Cli *cli, const Option *option, const char *value)
{
        bool time = option->flags & OPTION_TIME;
        const char *what = time ? "a time such as 90s, 5m or 1h30m," : "a number";

        if (option->min == 0 && option->max >= UINT32_MAX) /* the daemon knows its bounds */
                return fail_usage(cli, "--%s must be %s%s not '%s'", option->name, what,
                                  time ? "" : ",", value);
        return fail_usage(cli, "--%s must be %s from %" PRIu64 " to %" PRIu64 "%s, not '%s'",
                          option->name, what, option->min, option->max, time ? " seconds" : "",
                          value);
}

/* Returns 0, or -errno if the value is not a number within the option's bounds. */
static int arguments_parse_number(const Option *option, const char *value, uint64_t *ret)
{
        if (option->flags & OPTION_TIME)
                return text_parse_seconds(value, option->min, option->max, ret);
        return text_parse_uint(value, option->min, option->max, ret);
}

/* A variable of a script that is not set must not mean the default, for example another daemon.
 * Other options have a message of their own, or a meaning for an empty path. */
static bool arguments_needs_path(const Option *option)
{
        static const char *const names[] = {"socket", "file", "svg", "output"};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(option->name, names[i]) == 0)
                        return true;
        return false;
}

static ExitStatus check_value(const Cli *cli, const Option *option, const char *value)
{
        uint64_t number;

        if (!text_is_utf8(value, strlen(value)))
                return fail_usage(cli, "the value of --%s is not valid UTF-8", option->name);
        if (!*value && arguments_needs_path(option))
                return fail_usage(cli, "--%s requires a path, not an empty text", option->name);
        if ((option->flags & (OPTION_NUMBER | OPTION_TIME)) &&
            arguments_parse_number(option, value, &number) < 0)
                return refuse_number(cli, option, value);
        if (option->choices && !arguments_is_choice(option, value))
                return fail_usage(cli, "invalid --%1$s '%3$s': expected one of: %2$s", option->name,
                                  option->choices, value);
        return EXIT_OK;
}

static ArgumentsOption *arguments_find(const Arguments *arguments, const char *name)
{
        assert(verb_option(arguments->cli.verb, name));

        for (size_t i = 0; i < arguments->n_options; i++)
                if (strcmp(arguments->options[i].option->name, name) == 0)
                        return &arguments->options[i];
        return NULL;
}

/* value: NULL if the option has none. */
static ExitStatus arguments_add_value(Arguments *arguments, const Option *option, const char *value)
{
        ArgumentsOption *found = arguments_find(arguments, option->name);
        OptionValues *values;

        if (!found) {
                found = &arguments->options[arguments->n_options++];
                found->option = option;
        }
        values = &found->values;
        if ((values->n & (values->n - 1)) == 0) { /* full: it has room for a power of two */
                size_t room = values->n ? 2 * values->n : 1;
                const char **at = reallocarray(values->at, room, sizeof(*at));

                if (!at)
                        return fail_memory(&arguments->cli);
                values->at = at;
        }
        values->at[values->n++] = value;
        return EXIT_OK;
}

/* Where the parser is in argv. */
typedef struct ArgumentsCursor {
        int argc;
        char **argv;
        int i;     /* the word that is parsed */
        bool json; /* --json came before the verb */
} ArgumentsCursor;

/* Takes the next word as the value of an option; written: how the user wrote the option. */
static ExitStatus arguments_take_word(const Cli *cli, ArgumentsCursor *cursor, const Option *option,
                                      const char *written, const char **ret)
{
        const char *next = cursor->i + 1 < cursor->argc ? cursor->argv[cursor->i + 1] : NULL;

        if (!next)
                return fail_usage(cli, "%s requires a value: %s", written, option->value);
        if (strncmp(next, "--", 2) == 0)
                return fail_usage(cli,
                                  "%s requires a value: %s; to use '%s' as the value, write "
                                  "--%s=%s",
                                  written, option->value, next, option->name, next);
        cursor->i++;
        *ret = next;
        return EXIT_OK;
}

/* value: what was written together with the option, or NULL. */
static ExitStatus arguments_take_option(Arguments *arguments, ArgumentsCursor *cursor,
                                        const Option *option, const char *written,
                                        const char *value)
{
        const Cli *cli = &arguments->cli;
        ExitStatus status = EXIT_OK;

        if (!(option->flags & OPTION_REPEATS) && arguments_has(arguments, option->name))
                return fail_usage(cli, "--%s is given twice", option->name);
        if (!option->value && value)
                return fail_usage(cli, "%s does not accept a value", written);
        if (option->value && !value && !(option->flags & OPTION_OPTIONAL))
                status = arguments_take_word(cli, cursor, option, written, &value);
        if (!status.code && value)
                status = check_value(cli, option, value);
        return status.code ? status : arguments_add_value(arguments, option, value);
}

/* "--name", "--name value" or "--name=value". */
static ExitStatus parse_option(Arguments *arguments, ArgumentsCursor *cursor)
{
        const char *word = cursor->argv[cursor->i] + 2, *equals = strchrnul(word, '=');
        _cleanup_free_ char *name = strndup(word, (size_t)(equals - word));
        _cleanup_free_ char *written = name ? text_format("--%s", name) : NULL;
        const Cli *cli = &arguments->cli;
        const Option *option;

        if (!written)
                return fail_memory(cli);
        option = verb_option(cli->verb, name);
        if (!option && !cli->verb && strcmp(name, "json") == 0 && !*equals) {
                cursor->json = true;
                return EXIT_OK;
        }
        if (!option && !cli->verb && verb_option(verb_find(cli->verbs, "list"), name))
                return fail_usage(cli, "the option '--%s' must follow a command", name);
        if (!option)
                return unknown_option(cli, name);
        return arguments_take_option(arguments, cursor, option, written,
                                     *equals ? equals + 1 : NULL);
}

/* "-a", "-ab" for two options without a value, "-a value" or "-avalue". */
static ExitStatus parse_letters(Arguments *arguments, ArgumentsCursor *cursor)
{
        const char *word = cursor->argv[cursor->i];

        for (const char *letter = word + 1; *letter; letter++) {
                const Option *option = verb_option_letter(arguments->cli.verb, *letter);
                const char written[] = {'-', *letter, 0}, *value = NULL;
                ExitStatus status;

                if (!option)
                        return arguments_unknown_letter(&arguments->cli, written, word);
                if (option->value && letter[1])
                        value = letter + 1;
                status = arguments_take_option(arguments, cursor, option, written, value);
                if (status.code || value)
                        return status;
        }
        return EXIT_OK;
}

static ExitStatus parse_verb(Arguments *arguments, const ArgumentsCursor *cursor)
{
        Cli *cli = &arguments->cli;
        const char *name = cursor->argv[cursor->i];

        cli->verb = verb_find(cli->verbs, name);
        if (!cli->verb)
                return arguments_unknown_verb(cli, name);
        if (cursor->json && !verb_option(cli->verb, "json"))
                return unknown_option(cli, "json");
        return EXIT_OK;
}

/* There is an operand too many: perhaps the value of an option that is given only by "=". */
static ExitStatus arguments_refuse_operand(const Arguments *arguments, const char *operand)
{
        const Cli *cli = &arguments->cli;

        for (size_t i = 0; i < arguments->n_options; i++) {
                const ArgumentsOption *given = &arguments->options[i];

                if ((given->option->flags & OPTION_OPTIONAL) && !given->values.at[0])
                        return fail_usage(cli,
                                          "unexpected argument '%s' for %s; did you mean --%s=%s?",
                                          operand, cli->verb->name, given->option->name, operand);
        }
        return fail_usage(cli, "unexpected argument '%s' for %s", operand, cli->verb->name);
}

static ExitStatus check_operands(const Arguments *arguments)
{
        const Verb *verb = arguments->cli.verb;

        if (!verb || arguments_has(arguments, "help") || arguments_has(arguments, "version"))
                return EXIT_OK;
        if (arguments->n_operands < verb->min_operands)
                return fail_usage(&arguments->cli, "%s requires %s", verb->name, verb->synopsis);
        if (arguments->n_operands > verb->max_operands)
                return arguments_refuse_operand(arguments, arguments->operands[verb->max_operands]);
        for (size_t i = 0; i < arguments->n_operands; i++)
                if (!text_is_utf8(arguments->operands[i], strlen(arguments->operands[i])))
                        return fail_usage(&arguments->cli, "an argument is not valid UTF-8");
        return EXIT_OK;
}

ExitStatus arguments_parse(int argc, char **argv, const Verb *verbs, Arguments *ret)
{
        ArgumentsCursor cursor = {.argc = argc, .argv = argv};
        ExitStatus status = EXIT_OK;
        bool ended = false;

        *ret = (Arguments){
                .cli.verbs = verbs,
                .operands = calloc((size_t)argc + 1, sizeof(*ret->operands)),
                .options = calloc((size_t)argc + 1, sizeof(*ret->options)),
        };
        if (!ret->operands || !ret->options)
                return fail_memory(&ret->cli);
        /* looked for first, so that whatever is refused is refused in JSON */
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                ret->cli.json = ret->cli.json || strcmp(argv[i], "--json") == 0;

        for (cursor.i = 1; !status.code && cursor.i < argc; cursor.i++) {
                const char *word = argv[cursor.i];

                if (!ended && strcmp(word, "--") == 0)
                        ended = true;
                else if (!ended && strncmp(word, "--", 2) == 0)
                        status = parse_option(ret, &cursor);
                else if (!ended && word[0] == '-' && word[1])
                        status = parse_letters(ret, &cursor);
                else if (!ret->cli.verb)
                        status = parse_verb(ret, &cursor);
                else
                        ret->operands[ret->n_operands++] = word;
        }
        if (status.code)
                return status;
        ret->cli.socket = arguments_value(ret, "socket");
        return check_operands(ret);
}

void arguments_done(Arguments *arguments)
{
        for (size_t i = 0; i < arguments->n_options; i++)
                free(arguments->options[i].values.at);
        free(arguments->operands);
        free(arguments->options);
        *arguments = (Arguments){};
}

bool arguments_has(const Arguments *arguments, const char *name)
{
        return arguments_find(arguments, name);
}

OptionValues arguments_values(const Arguments *arguments, const char *name)
{
        const ArgumentsOption *found = arguments_find(arguments, name);

        return found ? found->values : (OptionValues){};
}

const char *arguments_value(const Arguments *arguments, const char *name)
{
        OptionValues values = arguments_values(arguments, name);

        return values.n ? values.at[0] : NULL;
}

uint64_t arguments_number(const Arguments *arguments, const char *name, uint64_t fallback)
{
        const ArgumentsOption *found = arguments_find(arguments, name);
        const char *value = found ? found->values.at[0] : NULL;
        uint64_t number;
        if (!value || arguments_parse_number(found->option, value, &number) < 0)
                return fallback;
        return number;
}

const char *arguments_operand(const Arguments *arguments, size_t index)
{
        return index < arguments->n_operands ? arguments->operands[index] : NULL;
}
