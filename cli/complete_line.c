/* SPDX-License-Identifier: Apache-2.0 */
#include "complete_line.h"

#include <string.h>

#include "base/text.h"

/* What a shell makes of a word with quotes and backslashes, also if the last quote is open. Newly
 * allocated; NULL without memory. */
static char *complete_line_unquote(const char *word)
{
        char *ret = malloc(strlen(word) + 1), *to = ret, quote = 0;

        if (!ret)
                return NULL;
        for (; *word; word++) {
                if (*word == quote)
                        quote = 0;
                else if (!quote && (*word == '\'' || *word == '"'))
                        quote = *word;
                else if (*word == '\\' && word[1] &&
                         (!quote || (quote == '"' && strchr("\\\"$`", word[1]))))
                        *to++ = *++word;
                else
                        *to++ = *word;
        }
        *to = 0;
        return ret;
}

/* The value of --socket; the shell would have replaced a tilde. */
static int complete_line_set_socket(CompleteLine *line, size_t at, const char *value)
{
        const char *home = getenv("HOME");
        char *path;

        line->cli.socket = value;
        if (strncmp(value, "~/", 2) != 0 || !home)
                return 0;
        path = text_format("%s%s", home, value + 1);
        if (!path)
                return -ENOMEM;
        free(line->words[at]);
        line->words[at] = path;
        line->cli.socket = path;
        return 0;
}

/* An option before the last word. value: what is written together with it, or NULL. Whether the
 * next word is its value. */
static bool complete_line_take_option(CompleteLine *line, const Option *option, const char *value)
{
        line->given[line->n_given++] = option;
        if (value && strcmp(option->name, "socket") == 0)
                line->cli.socket = value;
        return option->value && !value && !(option->flags & OPTION_OPTIONAL);
}

/* Returns the option whose value the next word is, or NULL. */
static const Option *complete_line_take_name(CompleteLine *line, const char *word)
{
        const char *equals = strchrnul(word, '=');
        _cleanup_free_ char *name = strndup(word + 2, (size_t)(equals - word - 2));
        const Option *option = name ? verb_option(line->verb, name) : NULL;

        if (option && complete_line_take_option(line, option, *equals ? equals + 1 : NULL))
                return option;
        return NULL;
}

/* "-n", "-n5", "-fq"; likewise. */
static const Option *complete_line_take_letters(CompleteLine *line, const char *word)
{
        for (const char *letter = word + 1; *letter; letter++) {
                const Option *option = verb_option_letter(line->verb, *letter);
                const char *value = letter[1] ? letter + 1 : NULL;

                if (!option)
                        return NULL;
                if (complete_line_take_option(line, option, option->value ? value : NULL))
                        return option;
                if (option->value)
                        return NULL;
        }
        return NULL;
}

/* A word before the last one. Returns 0 or -ENOMEM. */
static int complete_line_take(CompleteLine *line, size_t at)
{
        const char *word = line->words[at];
        const Option *option = line->option;

        if (option) { /* its value */
                line->option = NULL;
                return strcmp(option->name, "socket") == 0
                               ? complete_line_set_socket(line, at, word)
                               : 0;
        }
        if (!line->ended && strcmp(word, "--") == 0)
                line->ended = true;
        else if (!line->ended && strncmp(word, "--", 2) == 0)
                line->option = complete_line_take_name(line, word);
        else if (!line->ended && word[0] == '-' && word[1])
                line->option = complete_line_take_letters(line, word);
        else if (line->verb)
                line->operands[line->n_operands++] = word;
        else if (!(line->verb = verb_find(line->cli.verbs, word)))
                line->unknown = true;
        return 0;
}

/* The last word may hold an option together with the beginning of its value. */
static void complete_line_take_last(CompleteLine *line)
{
        const char *word = complete_line_last(line), *equals = strchr(word, '=');

        if (line->option || line->ended || word[0] != '-')
                return;
        if (word[1] == '-' && equals) {
                _cleanup_free_ char *name = strndup(word + 2, (size_t)(equals - word - 2));

                line->option = name ? verb_option(line->verb, name) : NULL;
                line->prefix = (size_t)(equals + 1 - word);
        } else if (word[1] && word[1] != '-' && word[2]) {
                line->option = verb_option_letter(line->verb, word[1]);
                line->prefix = 2;
        }
        if (!line->option || !line->option->value) {
                line->option = NULL;
                line->prefix = 0;
        }
}

int complete_line_new(const Cli *cli, const char *const *words, size_t n, bool quoted,
                      CompleteLine *ret)
{
        CompleteLine line = {
                .cli = *cli,
                .words = calloc(n + 1, sizeof(*line.words)),
                .operands = calloc(n + 1, sizeof(*line.operands)),
        };
        size_t bytes = 1;
        int r;

        for (size_t i = 0; i < n; i++)
                bytes += strlen(words[i]);
        line.given = calloc(bytes, sizeof(*line.given)); /* letters can be joined */
        r = line.words && line.given && line.operands ? 0 : -ENOMEM;
        line.cli.verb = NULL;
        for (size_t i = 0; r == 0 && i < n; i++) {
                line.words[i] = quoted ? complete_line_unquote(words[i]) : strdup(words[i]);
                if (line.words[i])
                        line.n_words++;
                else
                        r = -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i + 1 < n; i++)
                r = complete_line_take(&line, i);
        if (r < 0) {
                complete_line_done(&line);
                return r;
        }
        complete_line_take_last(&line);
        *ret = line;
        return 0;
}

void complete_line_done(CompleteLine *line)
{
        for (size_t i = 0; i < line->n_words; i++)
                free(line->words[i]);
        free(line->words);
        free(line->given);
        free(line->operands);
        *line = (CompleteLine){};
}

const char *complete_line_last(const CompleteLine *line)
{
        return line->n_words ? line->words[line->n_words - 1] : "";
}

bool complete_line_has_option(const CompleteLine *line, const Option *option)
{
        for (size_t i = 0; i < line->n_given; i++)
                if (line->given[i] == option)
                        return true;
        return false;
}

bool complete_line_has_operand(const CompleteLine *line, const char *operand)
{
        for (size_t i = 0; i < line->n_operands; i++)
                if (strcmp(line->operands[i], operand) == 0)
                        return true;
        return false;
}
