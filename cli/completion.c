/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a shell needs to complete: a bash function, written from the table of verbs (installed at
 * build time), and the names of the CVMs, which that function asks for.
 */

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "fail.h"
#include "session.h"
#include "spec/spec.h"

/* verb NULL: the options before it. */
static void print_values_of(const Verb *verb)
{
        const char *name = verb ? verb->name : "";
        const Option *option;

        for (size_t i = 0; (option = verb_option_at(verb, i)); i++) {
                if (!option->value)
                        continue;
                /* "=" stands for what follows one, as bash splits words there */
                printf("        %s,--%s=", name, option->name);
                if (!(option->flags & OPTION_OPTIONAL))
                        printf("|%s,--%s", name, option->name);
                if (option->letter)
                        printf("|%s,-%c", name, option->letter);
                printf(") ");
                if (option->choices)
                        printf("words='%s' ;;\n", option->choices);
                else if (option->completion)
                        printf("_cvmctl_paths -%c; return ;;\n",
                               strcmp(option->completion, "file") == 0 ? 'f' : 'd');
                else
                        puts("return ;;");
        }
}

static void print_value_cases(const Verb *verbs)
{
        puts("        case $previous in");
        print_values_of(NULL);
        for (const Verb *verb = verbs; verb->name; verb++)
                if (!verb->hidden)
                        print_values_of(verb);
        puts("        esac");
}

static void print_verb_names(const Verb *verbs)
{
        for (const Verb *verb = verbs; verb->name; verb++)
                if (!verb->hidden)
                        printf(" %s", verb->name);
}

static void print_word_cases(const Verb *verbs)
{
        puts("                case $verb in");
        for (const Verb *verb = verbs; verb->name; verb++) {
                const Option *option;

                if (verb->hidden)
                        continue;
                printf("                %s) words='", verb->name);
                for (size_t i = 0; (option = verb_option_at(verb, i)); i++)
                        printf("%s--%s", i ? " " : "", option->name);
                if (verb->run == verb_help)
                        print_verb_names(verbs);
                printf("'%s ;;\n", verb->takes_names ? "; names=1" : "");
        }
        puts("                esac");
}

static void print_bash(const Verb *verbs)
{
        puts("# bash completion for cvmctl(1)\n"
             "# Paths, which may have blanks; after a directory the next name follows.\n"
             "_cvmctl_paths() {\n"
             "        compopt -o filenames 2>/dev/null\n"
             "        mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$word\")\n"
             "}\n"
             "_cvmctl() {\n"
             "        local word=${COMP_WORDS[COMP_CWORD]} verb= words= names= i previous\n"
             "        COMPREPLY=()\n"
             "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
             "                case ${COMP_WORDS[i]} in\n"
             "                --socket) [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++)); ((i++)) ;;\n"
             "                -*) ;;\n"
             "                *) verb=${COMP_WORDS[i]}; break ;;\n"
             "                esac\n"
             "        done\n"
             "        previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
             "        [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}=\n"
             "        [[ $word == = ]] && previous+== word=\n"
             "        previous=$verb,$previous");
        print_value_cases(verbs);
        puts("        if [[ -z $words ]]; then");
        print_word_cases(verbs);
        puts("        fi\n"
             "        if [[ -z $words && -z $verb ]]; then");
        printf("                words='--socket --help --version --json");
        print_verb_names(verbs);
        puts("'\n"
             "        fi\n"
             "        if [[ $names && $word != -* ]]; then\n"
             "                words=$(cvmctl completion names 2>/dev/null)\n"
             "        fi\n"
             "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
             "}\n"
             "complete -F _cvmctl cvmctl");
}

/* Only what is a name, so that a shell can take each line for a word. */
static ExitStatus completion_print_names(const Cli *cli)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvms;
        ExitStatus status = session_call(cli, MANAGER "List", NULL, &reply);

        if (status.code)
                return status;
        cvms = json_member(reply, "cvms");
        for (size_t i = 0;
             json_object_is_type(cvms, json_type_array) && i < json_object_array_length(cvms);
             i++) {
                const char *name = json_member_string(json_object_array_get_idx(cvms, i), "name");

                if (name && spec_name_is_valid(name))
                        puts(name);
        }
        return EXIT_OK;
}

ExitStatus verb_completion(const Arguments *arguments)
{
        const char *what = arguments_operand(arguments, 0);

        if (strcmp(what, "names") == 0)
                return completion_print_names(&arguments->cli);
        if (strcmp(what, "bash") != 0)
                return fail_usage(&arguments->cli,
                                  "completion is available only for bash, not for '%s'", what);
        print_bash(arguments->cli.verbs);
        return EXIT_OK;
}
