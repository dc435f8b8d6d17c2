/* SPDX-License-Identifier: Apache-2.0 */

/* cvmctl: talks to cvmd for people and scripts. See cvmctl(1). */

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "fail.h"
#include "help.h"
#include "output.h"
#include "verbs.h"

static ExitStatus main_run(const Arguments *arguments)
{
        if (arguments_has(arguments, "help")) {
                help_print(arguments->cli.verbs, arguments->cli.verb);
                return EXIT_OK;
        }
        if (arguments_has(arguments, "version")) {
                puts("cvmctl " CVMD_VERSION);
                return EXIT_OK;
        }
        if (!arguments->cli.verb && arguments->cli.json)
                return verb_help(arguments);
        if (!arguments->cli.verb) {
                help_print(arguments->cli.verbs, NULL);
                return EXIT_OK;
        }
        return arguments->cli.verb->run(arguments);
}

int main(int argc, char **argv)
{
        Arguments arguments;
        ExitStatus status;

        setlocale(LC_CTYPE, "");
        status = arguments_parse(argc, argv, verbs, &arguments);
        if (!status.code) {
                int r;

                status = main_run(&arguments);
                r = output_finish();
                if (r < 0 && (!status.code || exit_is_verdict(status)))
                        status = fail_local(&arguments.cli, "cannot write the output: %s",
                                            strerror(-r));
        }
        arguments_done(&arguments);
        return (int)status.code;
}
