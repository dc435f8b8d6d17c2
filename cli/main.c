/* SPDX-License-Identifier: Apache-2.0 */

/* cvmctl: talks to cvmd for people and scripts. See cvmctl(1). */

#include <locale.h>
#include <stdio.h>

#include "arguments.h"
#include "base/fd.h"
#include "base/json.h"
#include "fail.h"
#include "help.h"
#include "output.h"
#include "verbs.h"

static void main_print_version(bool json)
{
        _cleanup_json_ json_object *version = NULL;

        if (!json) {
                puts("cvmctl " CVMD_VERSION);
                return;
        }
        version = json_build("cvmctl", json_new_text(CVMD_VERSION), NULL);
        output_json(version);
}

static ExitStatus main_run(const Arguments *arguments)
{
        const Cli *cli = &arguments->cli;

        if (!arguments_has(arguments, "help") && arguments_has(arguments, "version")) {
                main_print_version(cli->json);
                return EXIT_OK;
        }
        if (!cli->verb || arguments_has(arguments, "help")) {
                help_print(cli->verbs, cli->verb, cli->json);
                /* A script that lost its verb must not continue as if all was well. */
                return cli->verb || arguments_has(arguments, "help") ? EXIT_OK
                                                                     : exit_status(EXIT_USAGE);
        }
        return cli->verb->run(arguments);
}

int main(int argc, char **argv)
{
        Arguments arguments;
        ExitStatus status;

        if (fd_occupy_standard() < 0)
                return EXIT_FAILED; /* nothing says so: a message could reach another file */
        setlocale(LC_CTYPE, "");
        status = arguments_parse(argc, argv, verbs, &arguments);
        if (!status.code) {
                int r;

                status = main_run(&arguments);
                r = output_finish();
                if (r < 0 && (!status.code || exit_is_verdict(status)))
                        status = fail_output(&arguments.cli, r);
        }
        arguments_done(&arguments);
        return (int)status.code;
}
