/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Runs a program by its path, with an empty environment, and expects success. */

#include <spawn.h>
#include <sys/wait.h>

static inline void program_run(const char *const *argv)
{
        static char *const no_environment[] = {NULL};
        int status;
        pid_t pid;

        assert_int_equal(
                posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)argv, no_environment), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}
