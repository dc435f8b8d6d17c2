/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "log.h"
#include "network.h"
#include "power.h"

/* Milliseconds that a host which does not listen may delay the end of the agent. */
#define FAREWELL_MSEC 1000

int service_serve(void)
{
        Notify notify;
        Shares shares = {};
        sigset_t set;
        int r, stop;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_SETMASK, &set, NULL);
        stop = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        r = shares_load(SHARES_FILE, &shares);
        if (r < 0)
                log_error(SHARES_FILE ": %s", strerror(-r));
        notify_start(&notify);
        notify_connect(&notify);
        r = agent_run(&shares, &notify, stop);
        if (r < 0) {
                log_error("agent: %s", strerror(-r));
                return 1;
        }
        notify_send(&notify, "STATUS=Powering off\nSTOPPING=1\n");
        notify_finish(&notify, FAREWELL_MSEC);
        return 0;
}

int service_network(void)
{
        Notify notify = NOTIFY_NONE;

        network_start();
        notify_connect(&notify);
        notify_send(&notify, "READY=1\n");
        notify_done(&notify);
        /* Without an interface there is nothing to do. */
        if (wait(NULL) < 0)
                pause();
        return 1;
}

int service_power(void)
{
        struct pollfd polled[POWER_DEVICES_MAX];
        Power power = {};

        power_open(&power);
        for (size_t i = 0; i < power.n_fds; i++)
                polled[i] = (struct pollfd){power.fds[i], POLLIN, 0};
        for (;;) {
                poll(polled, power.n_fds, -1);
                for (size_t i = 0; i < power.n_fds; i++)
                        if (polled[i].revents && power_is_pressed(&polled[i].fd)) {
                                log_info("power button pressed");
                                kill(1, SIGRTMIN + 4); /* systemd(1): starts poweroff.target */
                        }
        }
}

int service_ended(void)
{
        const char *result = getenv("SERVICE_RESULT");
        Notify notify;

        if (result && strcmp(result, "success") == 0)
                return 0;
        notify_start(&notify);
        notify_send(&notify, "STATUS=Agent ended, starting it again\n");
        notify_finish(&notify, FAREWELL_MSEC);
        return 0;
}
