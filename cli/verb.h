/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Verbs and their options: one table from which dispatch, help, shell completion and the check of
 * the manual page are made.
 */

#include "base/macros.h"
#include "exit.h"

typedef enum OptionFlags {
        OPTION_REPEATS = 1 << 0,  /* may be given more than once */
        OPTION_OPTIONAL = 1 << 1, /* its value may be left out; it is only given as --name=value */
        OPTION_NUMBER = 1 << 2,   /* digits only, from min to max */
} OptionFlags;

typedef struct Option {
        const char *name;  /* without the dashes */
        const char *value; /* what the value is called in help; NULL: takes none */
        const char *help;
        unsigned flags;
        uint64_t min, max;      /* of OPTION_NUMBER */
        const char *choices;    /* "running ready": the only values allowed; NULL: any */
        const char *completion; /* what completes the value: "file", "directory" or NULL */
} Option;

typedef struct Arguments Arguments;

#define VERB_OPTION_GROUPS 3
#define VERB_NAMES_ANY SIZE_MAX

typedef struct Verb {
        const char *name;
        const char *synopsis; /* of its operands, "" for none */
        const char *help;
        size_t min_operands, max_operands;
        const Option *groups[VERB_OPTION_GROUPS]; /* each ended by {} */
        int (*run)(const Arguments *arguments);   /* returns an ExitCode */
        bool hidden;                              /* neither in help nor in completion */
        bool takes_names;                         /* operands are names of CVMs, for completion */
} Verb;

extern const Option global_options[]; /* ended by {}; allowed before and after the verb */

/* The verb of that name in a table that ends with {}, or NULL. */
const Verb *verb_find(const Verb *verbs, const char *name);
/* The option of that name among the verb's (may be NULL) and the global ones. */
const Option *verb_option(const Verb *verb, const char *name);
/* The verb's options one after the other, the global ones last; NULL at the end. */
const Option *verb_option_at(const Verb *verb, size_t index);

int verb_artifacts(const Arguments *arguments);
int verb_completion(const Arguments *arguments);
int verb_console(const Arguments *arguments);
int verb_doctor(const Arguments *arguments);
int verb_events(const Arguments *arguments);
int verb_help(const Arguments *arguments);
int verb_igvm(const Arguments *arguments);
int verb_launch(const Arguments *arguments);
int verb_list(const Arguments *arguments);
int verb_logs(const Arguments *arguments);
int verb_measure(const Arguments *arguments);
int verb_pause(const Arguments *arguments);
int verb_remove(const Arguments *arguments);
int verb_render(const Arguments *arguments);
int verb_resume(const Arguments *arguments);
int verb_run(const Arguments *arguments);
int verb_status(const Arguments *arguments);
int verb_stop(const Arguments *arguments);
int verb_templates(const Arguments *arguments);
int verb_verify(const Arguments *arguments);
int verb_version(const Arguments *arguments);
