/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/suggest.h"
#include "base/text.h"
#include "fail.h"

/* What other programs call it, or NULL. */
static const char *known_elsewhere(const char *name)
{
        static const char *const names[][2] = {
                {"start", "launch"},   {"create", "launch"},  {"up", "launch"},
                {"rm", "remove"},      {"delete", "remove"},  {"undefine", "remove"},
                {"kill", "stop"},      {"destroy", "stop"},   {"shutdown", "stop"},
                {"terminate", "stop"}, {"down", "stop"},      {"poweroff", "stop"},
                {"ps", "list"},        {"ls", "list"},        {"show", "status"},
                {"info", "status"},    {"inspect", "status"}, {"suspend", "pause"},
                {"unpause", "resume"}, {"watch", "events"},   {"monitor", "events"},
                {"shell", "console"},  {"attach", "console"}, {"login", "console"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(names[i][0], name) == 0)
                        return names[i][1];
        return NULL;
}

ExitStatus arguments_unknown_verb(const Cli *cli, const char *name)
{
        Cli of_none = *cli; /* the verb that the help is asked of */
        Suggestion best = suggest_begin(name);

        of_none.verb = NULL;
        for (const Verb *verb = cli->verbs; verb->name; verb++)
                if (!verb->hidden)
                        suggest_candidate(&best, verb->name);
        best.found = known_elsewhere(name) ?: best.found;
        if (best.found)
                return fail_usage(&of_none, "unknown command '%s'; did you mean '%s'?", name,
                                  best.found);
        return fail_usage(&of_none, "unknown command '%s'", name);
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

/* Whether `word` is one of the words of `choices`. */
static bool is_choice(const char *choices, const char *word)
{
        size_t length = strlen(word);

        for (const char *p = choices; *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");

                if (n == length && memcmp(p, word, n) == 0)
                        return true;
                p += n;
        }
        return false;
}

static ExitStatus refuse_number(const Cli *cli, const Option *option, const char *value)
{
        const char *seconds = strcmp(option->value, "S") == 0 ? " of seconds" : "";

        if (option->min == 0 && option->max >= UINT32_MAX) /* the daemon knows its bounds */
                return fail_usage(cli, "--%s must be a number%s, not '%s'", option->name, seconds,
                                  value);
        return fail_usage(cli, "--%s must be a number%s from %" PRIu64 " to %" PRIu64 ", not '%s'",
                          option->name, seconds, option->min, option->max, value);
}

static ExitStatus check_value(const Cli *cli, const Option *option, const char *value)
{
        uint64_t number;

        if (!text_is_utf8(value, strlen(value)))
                return fail_usage(cli, "the value of --%s is not valid UTF-8", option->name);
        if ((option->flags & OPTION_NUMBER) &&
            text_parse_uint(value, option->min, option->max, &number) < 0)
                return refuse_number(cli, option, value);
        if (option->choices && !is_choice(option->choices, value))
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

/* Parses the option at argv[*i] and moves *i to the last word that belongs to it. */
static ExitStatus parse_option(Arguments *arguments, int argc, char **argv, int *i)
{
        const char *word = argv[*i] + 2, *equals = strchrnul(word, '='), *value = NULL;
        _cleanup_free_ char *name = strndup(word, (size_t)(equals - word));
        const Option *option;

        if (!name)
                return fail_memory(&arguments->cli);
        option = verb_option(arguments->cli.verb, name);
        if (!option && !arguments->cli.verb &&
            verb_option(verb_find(arguments->cli.verbs, "list"), name))
                return fail_usage(&arguments->cli, "the option '--%s' must follow a command", name);
        if (!option)
                return unknown_option(&arguments->cli, name);
        if (!(option->flags & OPTION_REPEATS) && arguments_has(arguments, name))
                return fail_usage(&arguments->cli, "--%s is given twice", name);

        if (*equals)
                value = equals + 1;
        if (!option->value && value)
                return fail_usage(&arguments->cli, "--%s does not accept a value", name);
        if (option->value && !value && !(option->flags & OPTION_OPTIONAL)) {
                if (*i + 1 >= argc)
                        return fail_usage(&arguments->cli, "--%s requires a value: %s", name,
                                          option->value);
                if (strncmp(argv[*i + 1], "--", 2) == 0)
                        return fail_usage(&arguments->cli,
                                          "--%s requires a value: %s; to use '%s' as the value, "
                                          "write --%s=%s",
                                          name, option->value, argv[*i + 1], name, argv[*i + 1]);
                value = argv[++*i];
        }
        if (value) {
                ExitStatus status = check_value(&arguments->cli, option, value);

                if (status.code)
                        return status;
        }
        return arguments_add_value(arguments, option, value);
}

static ExitStatus check_operands(const Arguments *arguments)
{
        const Verb *verb = arguments->cli.verb;

        if (!verb || arguments_has(arguments, "help"))
                return EXIT_OK;
        if (arguments->n_operands < verb->min_operands)
                return fail_usage(&arguments->cli, "%s requires %s", verb->name, verb->synopsis);
        if (arguments->n_operands > verb->max_operands)
                return fail_usage(&arguments->cli, "unexpected argument '%2$s' for %1$s",
                                  verb->name, arguments->operands[verb->max_operands]);
        for (size_t i = 0; i < arguments->n_operands; i++)
                if (!text_is_utf8(arguments->operands[i], strlen(arguments->operands[i])))
                        return fail_usage(&arguments->cli, "an argument is not valid UTF-8");
        return EXIT_OK;
}

ExitStatus arguments_parse(int argc, char **argv, const Verb *verbs, Arguments *ret)
{
        bool ended = false;
        ExitStatus status;

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

        for (int i = 1; i < argc; i++) {
                if (!ended && strcmp(argv[i], "--") == 0) {
                        ended = true;
                } else if (!ended && strncmp(argv[i], "--", 2) == 0) {
                        status = parse_option(ret, argc, argv, &i);
                        if (status.code)
                                return status;
                } else if (!ended && strcmp(argv[i], "-h") == 0) {
                        status = arguments_add_value(ret, verb_option(NULL, "help"), NULL);
                        if (status.code)
                                return status;
                } else if (!ended && argv[i][0] == '-' && argv[i][1]) {
                        return fail_usage(&ret->cli, "unknown option '%s'", argv[i]);
                } else if (!ret->cli.verb) {
                        ret->cli.verb = verb_find(verbs, argv[i]);
                        if (!ret->cli.verb)
                                return arguments_unknown_verb(&ret->cli, argv[i]);
                } else {
                        ret->operands[ret->n_operands++] = argv[i];
                }
        }
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

        if (!value || text_parse_uint(value, found->option->min, found->option->max, &number) < 0)
                return fallback;
        return number;
}

const char *arguments_operand(const Arguments *arguments, size_t index)
{
        return index < arguments->n_operands ? arguments->operands[index] : NULL;
}
