/* SPDX-License-Identifier: Apache-2.0 */
#include "init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent.h"
#include "child.h"
#include "log.h"
#include "module.h"
#include "network.h"
#include "power.h"

#define GETTY "/sbin/getty"

typedef struct Init {
        Shares shares;
        Notify notify;
        Power power;
        int signals;
        pid_t agent, getty; /* 0: not running */
        bool has_getty;     /* the debug image */
        int end;            /* reboot(2) command; 0: the machine goes on */
} Init;

static void mount_system(void)
{
        static const struct {
                const char *type, *path;
                unsigned long flags;
                const char *options;
        } mounts[] = {
                {"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
                {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
                {"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
                {"securityfs", "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
                {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
                {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
                mkdir(mounts[i].path, 0755);
                mount(mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags,
                      mounts[i].options);
        }
}

/* With console=null the kernel cannot give its first process descriptors 0 to 2, and whatever is
 * opened next would be taken for them. */
static void open_standard(void)
{
        for (int fd = 0; fd < 3; fd++)
                close(fd);
        for (int fd = 0; fd < 3; fd++)
                if (open("/dev/null", O_RDWR) != fd)
                        log_error("/dev/null is not descriptor %d", fd);
}

static void write_setting(const char *path, const char *value)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, value, strlen(value)) < 0)
                log_error("%s: %s", path, strerror(errno));
}

static int open_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGINT);  /* Ctrl-Alt-Del, once the kernel was told so */
        sigaddset(&set, SIGTERM); /* these three as busybox's reboot, halt and poweroff send them */
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGUSR2);
        sigaddset(&set, SIGPWR);
        sigprocmask(SIG_SETMASK, &set, NULL);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void start_agent(Init *init)
{
        pid_t pid = child_fork("cvm-agent");

        if (pid == 0) {
                int r = agent_run(&init->shares, &init->notify, -1);

                log_error("agent: %s", strerror(-r));
                _exit(1);
        }
        init->agent = pid > 0 ? pid : 0;
}

static void start_getty(Init *init)
{
        pid_t pid = child_fork("getty");

        if (pid == 0) {
                setsid();
                setenv("PATH", "/sbin:/usr/sbin:/bin:/usr/bin", 1);
                execl(GETTY, "getty", "-L", "115200", "ttyS0", "vt100", NULL);
                _exit(1);
        }
        init->getty = pid > 0 ? pid : 0;
}

/* Starts what should run and does not. */
static void start_missing(Init *init)
{
        if (!init->agent)
                start_agent(init);
        if (init->has_getty && !init->getty)
                start_getty(init);
}

static void reap(Init *init)
{
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid == init->agent) {
                        init->agent = 0;
                        log_error("the agent ended, status 0x%x; starting it again", status);
                        notify_send(&init->notify, "STATUS=Agent ended, starting it again\n");
                } else if (pid == init->getty) {
                        init->getty = 0;
                }
        }
}

static void on_signals(Init *init)
{
        struct signalfd_siginfo signal;

        while (read(init->signals, &signal, sizeof(signal)) == sizeof(signal)) {
                if (signal.ssi_signo == SIGCHLD)
                        reap(init);
                else if (signal.ssi_signo == SIGINT || signal.ssi_signo == SIGTERM)
                        init->end = RB_AUTOBOOT;
                else
                        init->end = RB_POWER_OFF;
        }
}

static void run(Init *init)
{
        while (!init->end) {
                struct pollfd polled[POWER_DEVICES_MAX + 1];
                bool missing = !init->agent || (init->has_getty && !init->getty);

                polled[0] = (struct pollfd){init->signals, POLLIN, 0};
                for (size_t i = 0; i < init->power.n_fds; i++)
                        polled[i + 1] = (struct pollfd){init->power.fds[i], POLLIN, 0};
                /* What ends at once is started once a second, no more. */
                if (poll(polled, init->power.n_fds + 1, missing ? 1000 : -1) == 0)
                        start_missing(init);
                if (polled[0].revents)
                        on_signals(init);
                for (size_t i = 0; i < init->power.n_fds; i++)
                        if (polled[i + 1].revents && power_is_pressed(init->power.fds + i))
                                init->end = RB_POWER_OFF;
        }
}

/* Waits for children to end, at most about `msec`. Returns whether all have ended. */
static bool wait_children(int msec)
{
        for (int waited = 0; waited < msec; waited += 10) {
                pid_t pid;

                while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                        ;
                if (pid < 0)
                        return true;
                poll(NULL, 0, 10);
        }
        return false;
}

static void end_machine(Init *init)
{
        log_info(init->end == RB_AUTOBOOT ? "rebooting" : "powering off");
        notify_send(&init->notify, "STATUS=%s\nSTOPPING=1\n",
                    init->end == RB_AUTOBOOT ? "Rebooting" : "Powering off");
        if (init->agent)
                kill(init->agent, SIGTERM);
        if (init->getty)
                kill(-init->getty, SIGTERM);
        notify_done(&init->notify);
        wait_children(300);
        kill(-1, SIGTERM);
        if (!wait_children(1000))
                kill(-1, SIGKILL);
        for (size_t i = 0; i < init->shares.n_shares; i++)
                umount2(init->shares.shares[i].path, MNT_DETACH);
        sync();
        reboot(init->end);
}

_Noreturn void init_run(void)
{
        Init init = {.notify = NOTIFY_NONE};

        umask(022);
        mount_system();
        open_standard();
        write_setting("/proc/sys/kernel/printk_devkmsg", "on\n");
        sethostname("cvm", 3);
        reboot(RB_DISABLE_CAD);
        init.signals = open_signals();
        modules_load();
        mount("configfs", "/sys/kernel/config", "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        notify_start(&init.notify);
        power_open(&init.power);
        shares_mount(&init.shares);
        network_start();
        init.has_getty = access(GETTY, X_OK) == 0;
        start_missing(&init);
        run(&init);
        end_machine(&init);
        log_error("the machine does not end: %s", strerror(errno));
        for (;;)
                pause();
}
