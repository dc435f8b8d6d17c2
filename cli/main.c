/* SPDX-License-Identifier: Apache-2.0 */

/* cvmctl: talks to cvmd for people and scripts. See cvmctl(1). */

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "fail.h"
#include "help.h"
#include "output.h"

static int run(const Arguments *arguments)
{
        if (arguments_has(arguments, "help")) {
                help_print(arguments->verb);
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
        code = arguments_parse(argc, argv, &arguments);
        if (code == 0) {
                int r;

                code = run(&arguments);
                r = output_finish();
                if (r < 0 && (code == EXIT_DONE || exit_is_verdict(code)))
                        code = fail_local(&arguments, "cannot write the output: %s", strerror(-r));
        }
        arguments_done(&arguments);
        return code;
}
