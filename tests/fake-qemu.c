/* SPDX-License-Identifier: Apache-2.0 */

/*
 * fake-qemu: stands in for qemu-system-x86_64 where a test wants many CVMs at once, or a QEMU that
 * misbehaves. It takes the command lines that the templates render, refuses what QEMU would refuse
 * (descriptors that are no listening sockets, an empty kernel, a taken port, …) in QEMU's words,
 * and speaks QMP as QEMU 7.2 does; tests/engine/test_fake_qemu.py compares the two. It runs no
 * guest:
 *
 *   console  after `cont` some lines, as of a kernel
 *   COM3     after `cont` a line, as an SVSM's attestation
 *   COM4     likewise, as its log
 *   notify   (the port io.cvmd.notify) READY=1
 *   forwards bound and listened on; a connection to guest port 7002 is answered by an agent: each
 *            line with {"fake":true,"envSize":BYTES,"certs":[NAMES]}, of what the shares env_share
 *            (-1: no file `environment`) and certs_share held at the start. Other guest ports
 * close. button   system_powerdown turns the guest off 20 ms later
 *
 * libvirt can start it, too: see tests/fake/libvirt.c. Under a file name with "igvm" in it it
 * stands for a QEMU that is built with IGVM: see tests/fake/igvm.c.
 *
 * Words in the kernel command line (-append) choose another behaviour; a value with spaces stands
 * in double quotes; an unknown fake.* word is an error. Times are milliseconds of the guest's
 * running time, from the first `cont`.
 *
 *   fake.exit=CODE         end with this status once the command line has been checked
 *   fake.stderr=TEXT       a line for stderr before the end by fake.exit, -exit-ms, -die-ms
 *   fake.ready-ms=N        READY=1 after N ms (0)
 *   fake.no-ready          no READY=1 at all
 *   fake.status=TEXT       STATUS=TEXT before READY=1
 *   fake.uptime=TEXT       X_CVMD_UPTIME_USEC=TEXT before READY=1
 *   fake.notify-garbage    at boot, noise and a line of 70,000 bytes over notify
 *   fake.notify-lines=N    N different lines STATUS=, with noise in them, as fast as they are read
 *   fake.notify-part       after READY=1, a line that is never ended
 *   fake.no-reason         SHUTDOWN without its reason
 *   fake.die-ms=N          die by SIGSEGV
 *   fake.exit-ms=N         end with status 1
 *   fake.poweroff-ms=N     the guest turns itself off
 *   fake.reset-ms=N        the guest reboots
 *   fake.panic-ms=N        the guest panics
 *   fake.panic-says=TEXT   what the panic says, as a TD does
 *   fake.internal-error-ms=N  QEMU cannot go on with the guest, and says so over stderr
 *   fake.io-error-ms=N     a disk fails: QEMU holds the guest
 *   fake.igvm=N            libigvm refuses the IGVM file with its error -N
 *   fake.eat=BYTES         takes so much memory at boot
 *   fake.ignore-powerdown  the guest does not heed the power button
 *   fake.deaf-ms=N         it does so only so long after its start
 *   fake.ignore-quit       `quit` is answered and nothing more
 *   fake.no-qmp            never accepts a QMP client
 *   fake.qmp-silent        accepts, never greets nor answers
 *   fake.qmp-garbage       noise in place of the greeting, then silence
 *   fake.qmp-garbage-ms=N  noise, once
 *   fake.qmp-garbage-again noise in place of the greeting for all clients but the first
 *   fake.qmp-flood         events without end once capabilities are negotiated
 *   fake.console-bytes=N   N more bytes to the console, as fast as the client reads
 *   fake.starts=DIR        note the start in DIR/log: see tests/fake/starts.c
 *   fake.echo              console input comes back
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "fake/fake.h"

#define AGENTS_MAX 16u
#define UNSENT_MAX 65536u /* console bytes above which its input waits */

const char *program;
Options options;
Behaviour behaviour;
Link qmp = {.listener = -1, .fd = -1};
Link console = {.listener = -1, .fd = -1};
Link attestation = {.listener = -1, .fd = -1};
Link svsm_log = {.listener = -1, .fd = -1};
Link notify = {.listener = -1, .fd = -1};

/* Connections to the agent. */
static int agents[AGENTS_MAX];
static size_t n_agents;

void *must_have(void *memory)
{
        if (!memory) {
                fprintf(stderr, "%s: out of memory\n", program);
                exit(1);
        }
        return memory;
}

void link_send(Link *link, const void *data, size_t size)
{
        if (link->fd < 0 && (link->listener < 0 || !link->keeps))
                return;
        link->out = must_have(realloc(link->out, link->n_out + size));
        memcpy(link->out + link->n_out, data, size);
        link->n_out += size;
        link_flush(link);
}

void link_printf(Link *link, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n >= 0)
                link_send(link, text, (size_t)n);
}

void link_hang_up(Link *link)
{
        close(link->fd);
        link->fd = -1;
        link->n_out = 0;
}

void link_flush(Link *link)
{
        ssize_t n;

        if (link->fd < 0 || link->n_out == 0)
                return;
        n = send(link->fd, link->out, link->n_out, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
                link->n_out -= (size_t)n;
                memmove(link->out, link->out + n, link->n_out);
        } else if (n < 0 && errno == EPIPE) {
                link->n_out = 0; /* the next read finds the end */
        }
}

static void link_accept(Link *link)
{
        link->fd = accept4(link->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (link->fd >= 0 && link == &qmp)
                qmp_greet();
}

static void link_read(Link *link)
{
        char bytes[4096];
        ssize_t n = recv(link->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                link_hang_up(link);
                return;
        }
        if (n > 0 && link == &qmp)
                qmp_input(bytes, (size_t)n);
        else if (n > 0 && link == &console && behaviour.echo)
                link_send(&console, bytes, (size_t)n);
}

static void link_events(Link *link, short events)
{
        if (link->fd < 0) {
                if (events)
                        link_accept(link);
                return;
        }
        if (events & POLLOUT)
                link_flush(link);
        if (events & (POLLIN | POLLHUP | POLLERR))
                link_read(link);
}

static struct pollfd link_poll(const Link *link)
{
        if (link->fd < 0)
                return (struct pollfd){.fd = link == &qmp && behaviour.no_qmp ? -1 : link->listener,
                                       .events = POLLIN};
        return (struct pollfd){
                .fd = link->fd,
                .events = (short)((link->n_out > 0 || link->more ? POLLOUT : 0) |
                                  (link->n_out > UNSENT_MAX ? 0 : POLLIN)),
        };
}

static void forward_accept(const Forward *forward)
{
        int fd = accept4(forward->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return;
        if (forward->guest_port == AGENT_PORT && n_agents < AGENTS_MAX)
                agents[n_agents++] = fd;
        else
                close(fd);
}

/* Returns whether the connection stays. */
static bool agent_serve(int fd)
{
        const char *answer = agent_answer();
        char bytes[4096];
        ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        for (ssize_t i = 0; i < n; i++)
                if (bytes[i] == '\n' &&
                    send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL) !=
                            (ssize_t)strlen(answer))
                        return false;
        return n > 0;
}

/* SIGINT, SIGTERM, SIGHUP: QEMU's orderly end, also under -no-shutdown. */
static void on_signal(int signals)
{
        struct signalfd_siginfo info;

        if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
                return;
        fprintf(stderr, "%s: terminating on signal %u from pid %u\n", program, info.ssi_signo,
                info.ssi_pid);
        qmp_event("SHUTDOWN", "{\"guest\": false, \"reason\": \"host-signal\"}");
        machine_exit(0);
}

static int open_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_SETMASK, &set, NULL);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void turn(int signals)
{
        /* QMP last: who has connected before `cont` was sent misses nothing */
        Link *const links[] = {&console, &attestation, &svsm_log, &notify, &qmp};
        struct pollfd fds[1 + ARRAY_SIZE(links) + FORWARDS_MAX + AGENTS_MAX];
        size_t n = 0, first_agent, n_kept = 0, n_before = n_agents;
        int timeout = guest_tick();

        guest_fill_console();
        guest_fill_notify();
        qmp_fill_flood();
        fds[n++] = (struct pollfd){.fd = signals, .events = POLLIN};
        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                fds[n++] = link_poll(links[i]);
        for (size_t i = 0; i < options.n_forwards; i++)
                fds[n++] = (struct pollfd){
                        .fd = options.forwards[i].tcp && machine_run == RUN_RUNNING
                                      ? options.forwards[i].fd
                                      : -1,
                        .events = POLLIN,
                };
        first_agent = n;
        for (size_t i = 0; i < n_agents; i++)
                fds[n++] = (struct pollfd){.fd = machine_run == RUN_RUNNING ? agents[i] : -1,
                                           .events = POLLIN};

        if (poll(fds, n, timeout) <= 0)
                return;
        if (fds[0].revents)
                on_signal(signals);
        for (size_t i = 0; i < n_before; i++)
                if (fds[first_agent + i].revents && !agent_serve(agents[i]))
                        close(agents[i]);
                else
                        agents[n_kept++] = agents[i];
        n_agents = n_kept;
        for (size_t i = 0; i < options.n_forwards; i++)
                if (fds[1 + ARRAY_SIZE(links) + i].revents)
                        forward_accept(&options.forwards[i]);
        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                if (fds[1 + i].revents)
                        link_events(links[i], fds[1 + i].revents);
}

int main(int argc, char **argv)
{
        int signals;

        program = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
        setrlimit(RLIMIT_CORE, &(struct rlimit){});
        signal(SIGPIPE, SIG_IGN); /* QEMU, too, outlives who reads its output */
        libvirt_probe(argv);
        options_parse(argc, argv);
        if (behaviour_parse(options.append ?: "", &behaviour) < 0) {
                fprintf(stderr, "%s: bad fake.* word in -append %s\n", program, options.append);
                return 1;
        }
        if (options.igvm)
                igvm_load(options.igvm, behaviour.igvm);
        if (behaviour.starts)
                starts_note(behaviour.starts);
        if (behaviour.exit >= 0) {
                if (behaviour.stderr_text)
                        fprintf(stderr, "%s\n", behaviour.stderr_text);
                return (int)behaviour.exit;
        }
        notify.keeps = true;
        signals = open_signals();
        agent_answer();
        if (qmp.fd >= 0)
                qmp_greet();
        if (!options.stopped)
                machine_cont();
        for (;;)
                turn(signals);
}
