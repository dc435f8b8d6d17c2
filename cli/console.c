/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The guest's console on this terminal: raw bytes both ways until Ctrl-], the end of the connection
 * or a signal. Without a terminal the bytes pass as they are and nothing is an escape; the end of
 * the input ends nothing, because the guest may still answer.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/memfd.h"
#include "console_hint.h"
#include "fail.h"
#include "output.h"
#include "session.h"

#define ESCAPE 0x1d /* Ctrl-] */
#define CHUNK 65536
/* The replay of the most recent output has no end that can be seen: it is over when nothing has
 * come for so long, or at the latest after so long altogether. */
#define BANNER_QUIET_MSEC 150
#define BANNER_LATEST_MSEC 2000

/* What a guest may have changed of the terminal (ECMA-48, xterm's control
 * sequences): a soft reset, which also leaves the cursor where it is, and what some terminals do
 * not count to it: line wrap, colours, cursor, keypad, character set, reports of the mouse, of
 * focus and of pasted text, the alternate screen. */
#define TERMINAL_RESET                                                                             \
        "\033[!p\033[?7h\033[0m\033[?25h\033[?1l\033>\033(B\017\033[4l\033[?1000l\033[?1002l"      \
        "\033[?1003l\033[?1004l\033[?1006l\033[?2004l\033[?1047l"

typedef struct Console {
        const Cli *cli;
        const char *name;
        const char *hint;     /* why the console may be empty; NULL: none */
        int64_t banner_until; /* until then it waits for the replay's end; 0: it was printed */
        int socket;           /* non-blocking */
        int signals;          /* signalfd */
        bool terminal;
        struct termios saved; /* of the terminal */
        bool input_ended;
        char input[CHUNK]; /* not sent yet */
        size_t n_input;
} Console;

static int terminal_raw(const Console *console)
{
        struct termios raw = console->saved;

        cfmakeraw(&raw);
        return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0 ? -errno : 0;
}

/* Every way out comes through here: signals are read from a descriptor, none ends the process. */
static void terminal_restore(const Console *console)
{
        if (!console->terminal)
                return;
        if (output_redraws(stdout)) {
                fputs(TERMINAL_RESET, stdout);
                fflush(stdout);
        }
        tcsetattr(STDIN_FILENO, TCSADRAIN, &console->saved);
}

/* Says how to leave, after what the guest wrote before, which may clear the screen. The terminal is
 * raw. */
static void console_print_banner(Console *console)
{
        console->banner_until = 0;
        /* on a line of its own, wrapped, and not in the guest's colours */
        fputs(output_redraws(stderr) ? "\033[?7h\033[0m" : "", stderr);
        fprintf(stderr, "\r\ncvmctl: console of %s; Ctrl-] disconnects\r\n", console->name);
        if (console->hint)
                fprintf(stderr, "cvmctl: note: %s\r\n", console->hint);
}

/* How long poll(2) may wait; -1: no limit. */
static int console_banner_msec(const Console *console)
{
        int64_t left = console->banner_until - clock_monotonic_msec();

        if (!console->banner_until)
                return -1;
        return left < 0 ? 0 : left < BANNER_QUIET_MSEC ? (int)left : BANNER_QUIET_MSEC;
}

static int signals_open(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGQUIT);
        sigaddset(&set, SIGCONT);
        /* an output that nobody reads is an error of write(2) */
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* 1: the end, 0: continue. After a stop the shell has set the terminal as it likes it. */
static int on_signal(Console *console)
{
        struct signalfd_siginfo info;

        if (read(console->signals, &info, sizeof(info)) != sizeof(info))
                return 0;
        if (info.ssi_signo != SIGCONT)
                return 1;
        if (console->terminal)
                terminal_raw(console);
        return 0;
}

/* Returns 1 at the end and 0 to continue. */
static int on_input(Console *console)
{
        char *end = console->input + console->n_input, *escape = NULL;
        ssize_t n = read(STDIN_FILENO, end, CHUNK - console->n_input);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (n <= 0) {
                console->input_ended = true;
                return console->terminal; /* it hung up */
        }
        if (console->terminal)
                escape = memchr(end, ESCAPE, (size_t)n);
        console->n_input += escape ? (size_t)(escape - end) : (size_t)n;
        return escape ? 1 : 0;
}

/* 0, or -errno when the other side has gone. */
static int send_input(Console *console)
{
        ssize_t n = send(console->socket, console->input, console->n_input, MSG_NOSIGNAL);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        console->n_input -= (size_t)n;
        memmove(console->input, console->input + n, console->n_input);
        return 0;
}

/* 1: the other side has ended, 0: continue, or -errno of the output. */
static int on_output(Console *console)
{
        char chunk[CHUNK / 4];
        ssize_t n = read(console->socket, chunk, sizeof(chunk));

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (n <= 0)
                return 1;
        return fd_write_all(STDOUT_FILENO, chunk, (size_t)n);
}

static int pump(Console *console)
{
        for (;;) {
                struct pollfd fds[] = {
                        {.fd = console->socket,
                         .events = (short)(POLLIN | (console->n_input ? POLLOUT : 0))},
                        {.fd = console->input_ended || console->n_input == CHUNK ? -1
                                                                                 : STDIN_FILENO,
                         .events = POLLIN},
                        {.fd = console->signals, .events = POLLIN},
                        {.fd = STDOUT_FILENO}, /* whether it still has a reader */
                };
                int msec = console_banner_msec(console);
                int r = poll(fds, ARRAY_SIZE(fds), msec);

                if (r < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (r == 0 || msec == 0)
                        console_print_banner(console);
                r = 0;
                if (fds[2].revents)
                        r = on_signal(console);
                if (fds[3].revents & (POLLERR | POLLHUP))
                        return -EPIPE;
                if (r == 0 && (fds[0].revents & ~POLLOUT))
                        r = on_output(console);
                if (r == 0 && fds[1].revents) {
                        r = on_input(console);
                        if (send_input(console) < 0)
                                console->n_input = 0; /* reading reports when it has gone */
                } else if (r == 0 && (fds[0].revents & POLLOUT) && send_input(console) < 0) {
                        console->n_input = 0;
                }
                if (r != 0)
                        return r < 0 ? r : 0;
        }
}

static ExitStatus console_run(Console *console, const char *early, size_t n_early)
{
        int r = fd_write_all(STDOUT_FILENO, early, n_early);

        if (r == 0)
                r = pump(console);
        terminal_restore(console);
        if (r < 0 && r != -EPIPE)
                return fail_output(console->cli, r);
        if (console->terminal)
                fputs("\ncvmctl: disconnected from the console\n", stderr);
        return EXIT_OK;
}

ExitStatus verb_console(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_close_ int socket = -1, signals = -1;
        _cleanup_free_ char *early = NULL, *hint = NULL;
        Console console;
        const Cli *cli = &arguments->cli;
        const char *name = arguments_operand(arguments, 0);
        json_object *parameters = json_object_new_object();
        size_t n_early = 0;
        int r = output_check();
        ExitStatus status = r < 0 ? fail_output(cli, r) : session_add_target(cli, name, parameters);

        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code) {
                json_object_put(parameters);
                return status;
        }
        if (isatty(STDIN_FILENO))
                hint = console_hint(cli, name, parameters);
        r = wire_client_upgrade(client, MANAGER "Console", parameters, &socket, &early, &n_early,
                                &error);
        if (r < 0)
                return fail_error(cli, &error, NULL);

        signals = signals_open();
        if (signals < 0 || fcntl(socket, F_SETFL, O_NONBLOCK) < 0)
                return fail_local(cli, "cannot set up the console: %s", strerror(errno));
        console = (Console){
                .cli = cli, .name = name, .hint = hint, .socket = socket, .signals = signals};
        console.terminal = tcgetattr(STDIN_FILENO, &console.saved) == 0;
        if (console.terminal) {
                console.banner_until = clock_monotonic_msec() + BANNER_LATEST_MSEC;
                r = terminal_raw(&console);
                if (r < 0)
                        return fail_local(cli, "cannot set up the terminal: %s", strerror(-r));
        }
        return console_run(&console, early, n_early);
}
