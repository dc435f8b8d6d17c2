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

static int main_run(const Arguments *arguments)
{
        if (arguments_has(arguments, "help")) {
                help_print(arguments->verbs, arguments->verb);
                return EXIT_DONE;
        }
        if (!arguments->verb)
                return fail_usage(arguments, "a verb is missing");
        return arguments->verb->run(arguments);
}

int main(int argc, char **argv)
{
        Arguments arguments;
        int code;

        setlocale(LC_CTYPE, "");
        code = arguments_parse(argc, argv, verbs, &arguments);
        if (code == 0) {
                int r;

                code = main_run(&arguments);
                r = output_finish();
                if (r < 0 && (code == EXIT_DONE || exit_is_verdict(code)))
                        code = fail_local(&arguments, "cannot write the output: %s", strerror(-r));
        }
        arguments_done(&arguments);
        return code;
}
