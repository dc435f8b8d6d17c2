/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "attester.h"
#include "base/clock.h"
#include "base/file.h"
#include "log.h"
#include "server.h"

static int on_line(void *userdata, const char *line, size_t size, Buffer *out)
{
        return answer_line(userdata, line, size, out);
}

static int on_too_long(void *userdata, Buffer *out)
{
        return answer_error("longer than 65536 bytes", out);
}

/* What is wrong with the environment file, or NULL. */
static const char *read_environment(Environment *ret)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read_at(AT_FDCWD, AGENT_ENVIRONMENT, ENVIRONMENT_FILE_MAX, &text, &size);
        if (r == 0)
                r = environment_parse(text, size, ret);
        return r == 0 ? NULL : r == -EBADMSG ? "a NUL byte, or not UTF-8" : strerror(-r);
}

static int on_tls(void *userdata, int fd)
{
        int r = attester_pass(userdata, fd);

        if (r < 0)
                log_error("passing a client to cvm-attest: %s", strerror(-r));
        return r;
}

static void say_ready(const AnswerSources *sources, const Notify *notify)
{
        char problems[256] = "";
        size_t used = 0;

        for (size_t i = 0; i < sources->shares->n_shares && used < sizeof(problems); i++)
                if (sources->shares->shares[i].error)
                        used += (size_t)snprintf(problems + used, sizeof(problems) - used,
                                                 ", without %s", sources->shares->shares[i].tag);
        if (sources->problem && used < sizeof(problems))
                snprintf(problems + used, sizeof(problems) - used, ", environment: %s",
                         sources->problem);
        notify_send(notify,
                    "STATUS=Agent listens on port %d%s\nX_CVMD_UPTIME_USEC=%" PRId64 "\nREADY=1\n",
                    AGENT_PORT, problems, clock_monotonic_usec());
}

int agent_run(const Shares *shares, const Notify *notify, int stop)
{
        Environment environment = {};
        Attester attester = {.program = ATTESTER_PROGRAM, .fd = -1};
        AnswerSources sources = {
                .environment = &environment,
                .shares = shares,
                .certs = "/etc/certs",
                .cmdline = "/proc/cmdline",
                .tpms = "/sys/class/tpm",
                .reports = REPORT_ROOT,
                .attests = attester_exists(&attester),
                .problem = read_environment(&environment),
        };
        ServerHandler handler = {
                .answer = on_line,
                .too_long = on_too_long,
                .line_max = REQUEST_MAX,
                .userdata = &sources,
                .tls = sources.attests ? on_tls : NULL,
                .tls_userdata = &attester,
        };
        int listener = server_listen(AGENT_PORT);

        if (sources.problem)
                log_error(AGENT_ENVIRONMENT ": %s", sources.problem);
        if (listener < 0)
                return listener;
        log_info("listening on port %d", AGENT_PORT);
        say_ready(&sources, notify);
        return server_run(listener, stop, &handler);
}
