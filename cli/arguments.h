/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The command line, taken apart by the table of verbs. Values are borrowed from argv.
 *
 * Options may stand before and after operands, as `--name value` or `--name=value`, or by a letter,
 * as `-n 5` or `-n5`; letters of options without a value may be joined. A value that begins with
 * "--" is only taken in the second form, so that a forgotten value is noticed. `--` ends the
 * options. Names are given in full. Global options and --json may also stand before the verb.
 *
 * The function of a verb reads the command line into a struct of its own, by a function named
 * NOUN_options(); every other function receives that struct, or single values, and a Cli. A test
 * (tests/check/test_cli.py) allows Arguments nowhere else.
 */

#include "verb.h"

/* The values of an option, in their order; n is 0 if the option was not given. */
typedef struct OptionValues {
        const char **at;
        size_t n;
} OptionValues;

typedef struct ArgumentsOption {
        const Option *option;
        OptionValues values; /* an option without a value has one, NULL */
} ArgumentsOption;

/* What each part of a verb may know of the command line: for which verb and in which form it
 * reports, and where the daemon is. What else it works on it is given as values. */
typedef struct Cli {
        const Verb *verbs;  /* the table; ended by {} */
        const Verb *verb;   /* NULL: none was given */
        const char *socket; /* of --socket; NULL: it was not given */
        bool json;          /* --json was given: errors are JSON too */
} Cli;

struct Arguments {
        Cli cli;
        const char **operands;
        size_t n_operands;
        ArgumentsOption *options; /* each once, in the order of its first value */
        size_t n_options;
};

/* Parses argv[1] and on by the table of verbs. Without a verb ret->cli.verb is NULL. Returns
 * EXIT_OK, or the status of the refusal that it printed. */
ExitStatus arguments_parse(int argc, char **argv, const Verb *verbs, Arguments *ret);
void arguments_done(Arguments *arguments);

/* The name must be one of the verb's options or of the global ones. */
bool arguments_has(const Arguments *arguments, const char *name);
/* The value of an option that does not repeat, or NULL. */
const char *arguments_value(const Arguments *arguments, const char *name);
/* All values of an option; borrowed from the arguments. */
OptionValues arguments_values(const Arguments *arguments, const char *name);
/* The value of an OPTION_NUMBER, or of an OPTION_TIME in seconds, or the fallback. */
uint64_t arguments_number(const Arguments *arguments, const char *name, uint64_t fallback);
/* The index-th operand, or NULL. */
const char *arguments_operand(const Arguments *arguments, size_t index);
/* Says that there is no such verb, and which may be meant. Returns EXIT_USAGE. */
ExitStatus arguments_unknown_verb(const Cli *cli, const char *name);
