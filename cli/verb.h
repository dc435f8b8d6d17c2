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
        OPTION_TIME = 1 << 3, /* seconds, or "90s", "5m", "1h30m", "2d"; from min to max seconds */
        OPTION_LIST = 1 << 4, /* one value, or several with commas between them */
} OptionFlags;

typedef struct Option {
        const char *name;  /* without the dashes */
        const char *value; /* what the value is called in help; NULL: takes none */
        const char *help;
        unsigned flags;
        uint64_t min, max;      /* of OPTION_NUMBER and OPTION_TIME */
        const char *choices;    /* "running ready": the only values allowed; NULL: any */
        const char *completion; /* what completes the value, see complete.c; NULL: choices do */
        char letter;            /* its short form, or 0 */
        const char *section;    /* the heading in help of this option and the next ones, or NULL */
} Option;

typedef struct Arguments Arguments;

/* Where help lists a verb. */
typedef enum VerbSection {
        VERB_OTHER, /* not about CVMs or the host */
        VERB_LIFE,
        VERB_LOOK,
        VERB_TRUST,
        VERB_HOST,
        _VERB_SECTION_MAX,
} VerbSection;

#define VERB_OPTION_GROUPS 3
#define VERB_NAMES_ANY SIZE_MAX

typedef struct Verb {
        const char *name;
        const char *synopsis; /* of its operands, "" for none */
        const char *help;
        size_t min_operands, max_operands;
        const Option *groups[VERB_OPTION_GROUPS]; /* each ended by {} */
        ExitStatus (*run)(const Arguments *arguments);
        bool hidden;            /* neither in help nor in completion */
        bool takes_names;       /* operands are names of CVMs, for completion */
        const char *states;     /* … in these states: "running paused"; NULL: in any */
        const char *completion; /* what completes other operands, see complete.c */
        bool destroys;          /* ends or deletes: never suggested for what is spelt differently */
        VerbSection section;
        const char *examples; /* lines for help, or NULL */
} Verb;

/* The verb of that name in a table that ends with {}, or NULL. */
const Verb *verb_find(const Verb *verbs, const char *name);
/* The option of that name among the verb's (may be NULL) and the global ones. */
const Option *verb_option(const Verb *verb, const char *name);
/* Likewise, by its letter. */
const Option *verb_option_letter(const Verb *verb, char letter);
/* Whether a word of `size` bytes is one of `choices`, which have blanks between them. */
bool verb_is_choice(const char *choices, const char *word, size_t size);
/* The verb's options one after the other, the global ones last; NULL at the end. */
const Option *verb_option_at(const Verb *verb, size_t index);

ExitStatus verb_images(const Arguments *arguments);
ExitStatus verb_artifacts(const Arguments *arguments);
ExitStatus verb_complete(const Arguments *arguments);
ExitStatus verb_completion(const Arguments *arguments);
ExitStatus verb_console(const Arguments *arguments);
ExitStatus verb_doctor(const Arguments *arguments);
ExitStatus verb_events(const Arguments *arguments);
ExitStatus verb_help(const Arguments *arguments);
ExitStatus verb_igvm(const Arguments *arguments);
ExitStatus verb_inspect(const Arguments *arguments);
ExitStatus verb_launch(const Arguments *arguments);
ExitStatus verb_list(const Arguments *arguments);
ExitStatus verb_logs(const Arguments *arguments);
ExitStatus verb_measure(const Arguments *arguments);
ExitStatus verb_metrics(const Arguments *arguments);
ExitStatus verb_port(const Arguments *arguments);
ExitStatus verb_prune(const Arguments *arguments);
ExitStatus verb_pause(const Arguments *arguments);
ExitStatus verb_remove(const Arguments *arguments);
ExitStatus verb_render(const Arguments *arguments);
ExitStatus verb_restart(const Arguments *arguments);
ExitStatus verb_resume(const Arguments *arguments);
ExitStatus verb_run(const Arguments *arguments);
ExitStatus verb_stats(const Arguments *arguments);
ExitStatus verb_status(const Arguments *arguments);
ExitStatus verb_stop(const Arguments *arguments);
ExitStatus verb_wait(const Arguments *arguments);
ExitStatus verb_top(const Arguments *arguments);
ExitStatus verb_templates(const Arguments *arguments);
ExitStatus verb_timeline(const Arguments *arguments);
ExitStatus verb_update(const Arguments *arguments);
ExitStatus verb_attest(const Arguments *arguments);
ExitStatus verb_verify(const Arguments *arguments);
ExitStatus verb_version(const Arguments *arguments);
