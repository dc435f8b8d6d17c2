/* SPDX-License-Identifier: Apache-2.0 */
#include "completion.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"

ExitStatus verb_completion(const Arguments *arguments)
{
        const char *shell = arguments_operand(arguments, 0);

        for (const CompletionScript *script = completion_scripts; script->shell; script++) {
                if (strcmp(script->shell, shell) != 0)
                        continue;
                fputs(script->text, stdout);
                return EXIT_OK;
        }
        return fail_usage(&arguments->cli, "completion is for bash, zsh and fish, not for '%s'",
                          shell);
}
