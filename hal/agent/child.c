/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"

pid_t child_fork(const char *name)
{
        pid_t pid = fork();

        if (pid < 0)
                log_error("starting %s: %s", name, strerror(errno));
        if (pid == 0) {
                sigset_t none;

                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                prctl(PR_SET_NAME, name);
        }
        return pid;
}
