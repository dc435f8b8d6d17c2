/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

#include <string.h>

/* Ended by {}; allowed before and after the verb. */
static const Option global_options[] = {
        {"socket", "PATH", "the daemon's socket", .completion = "file",
         .section = "Global options"},
        {"help", NULL, "show help", .letter = 'h'},
        {"version", NULL, "print the version of cvmctl", .letter = 'V'},
        {},
};

const Verb *verb_find(const Verb *verbs, const char *name)
{
        for (const Verb *verb = verbs; verb->name; verb++)
                if (strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}

bool verb_is_choice(const char *choices, const char *word, size_t size)
{
        for (const char *p = choices; *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");

                if (n == size && memcmp(p, word, n) == 0)
                        return true;
                p += n;
        }
        return false;
}

const Option *verb_option_at(const Verb *verb, size_t index)
{
        for (size_t i = 0; i <= VERB_OPTION_GROUPS; i++) {
                const Option *option = i == VERB_OPTION_GROUPS ? global_options
                                       : verb                  ? verb->groups[i]
                                                               : NULL;

                for (; option && option->name; option++)
                        if (index-- == 0)
                                return option;
        }
        return NULL;
}

const Option *verb_option(const Verb *verb, const char *name)
{
        const Option *option;

        for (size_t i = 0; (option = verb_option_at(verb, i)); i++)
                if (strcmp(option->name, name) == 0)
                        return option;
        return NULL;
}

const Option *verb_option_letter(const Verb *verb, char letter)
{
        const Option *option;

        for (size_t i = 0; (option = verb_option_at(verb, i)); i++)
                if (option->letter == letter)
                        return option;
        return NULL;
}
