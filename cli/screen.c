/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/signalfd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/fd.h"
#include "output.h"
#include "session.h"
#include "terminal.h"

/* ECMA-48: CUP to the first cell, EL to the end of the line, ED to the end of the screen */
#define CURSOR_HOME "\033[H"
#define ERASE_LINE_END "\033[K"
#define ERASE_SCREEN_END "\033[J"

#define ROWS_DEFAULT 24
#define KEYS_MAX 64

/* There is one standard output. */
static struct {
        int signals; /* signalfd: of a window that changes, and of a stop */
        bool redraws, open, drawn;
        FILE *frame; /* what is written to text */
        char *text;
        size_t size;
} screen;

static int screen_open_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGWINCH);
        sigaddset(&set, SIGTSTP);
        sigaddset(&set, SIGCONT);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        screen.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return screen.signals < 0 ? -errno : 0;
}

int screen_open_undrawn(const WireClient *client)
{
        int r = screen_open_signals();

        if (r < 0)
                return r;
        session_catch_hangups(client);
        screen.open = true;
        return 0;
}

int screen_open(const WireClient *client)
{
        int r = screen_open_undrawn(client);

        if (r < 0)
                return r;
        screen.redraws = output_redraws(stdout);
        if (screen.redraws)
                terminal_enter();
        return 0;
}

static void screen_drop_frame(void)
{
        if (screen.frame)
                fclose(screen.frame);
        screen.frame = NULL;
        free(screen.text);
        screen.text = NULL;
}

void screen_close(void)
{
        if (!screen.open)
                return;
        screen.open = false;
        screen_drop_frame();
        terminal_leave();
        close(screen.signals);
}

FILE *screen_begin(size_t *ret_columns)
{
        screen_drop_frame();
        screen.frame = open_memstream(&screen.text, &screen.size);
        *ret_columns = 0;
        /* ERASE_LINE_END would erase the last column as well, where the cursor stays */
        if (screen.redraws && output_width(stdout) > 0)
                *ret_columns = output_width(stdout) - 1;
        return screen.frame;
}

static size_t screen_rows(void)
{
        struct winsize size;

        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 ? ROWS_DEFAULT
                                                                               : size.ws_row;
}

static size_t screen_count_lines(const char *text)
{
        size_t n = 0;

        for (; *text; text = text + strcspn(text, "\n") + 1, n++)
                if (!text[strcspn(text, "\n")])
                        return n + 1;
        return n;
}

/* One line of a frame. The last row has no line end: the terminal would scroll. */
static int screen_add_line(Buffer *buffer, const char *line, size_t length, bool first)
{
        int r = first ? 0 : buffer_append_text(buffer, "\n");

        if (r == 0)
                r = buffer_append(buffer, line, length);
        return r < 0 ? r : buffer_append_text(buffer, ERASE_LINE_END);
}

/* The text as it is drawn over another one, cut to the rows; what is cut off is counted. */
static int screen_compose(const char *text, size_t rows, Buffer *buffer)
{
        size_t n = screen_count_lines(text), shown = n > rows ? rows - 1 : n;
        int r = buffer_append_text(buffer, CURSOR_HOME);

        for (size_t i = 0; r == 0 && i < shown; i++) {
                size_t length = strcspn(text, "\n");

                r = screen_add_line(buffer, text, length, i == 0);
                text += length + 1;
        }
        if (r == 0 && shown < n) {
                char rest[48];

                snprintf(rest, sizeof(rest), "(%zu more lines)", n - shown);
                r = screen_add_line(buffer, rest, strlen(rest), shown == 0);
        }
        return r < 0 ? r : buffer_append_text(buffer, ERASE_SCREEN_END);
}

int screen_draw(void)
{
        _cleanup_(buffer_done) Buffer buffer = {};
        FILE *frame = TAKE_PTR(screen.frame);
        int r = fclose(frame) == 0 ? 0 : -ENOMEM;

        if (r == 0 && screen.redraws)
                r = screen_compose(screen.text, screen_rows(), &buffer);
        else if (r == 0)
                r = buffer_appendf(&buffer, "%s%s", screen.drawn ? "\n" : "", screen.text);
        if (r == 0)
                r = fd_write_all(STDOUT_FILENO, buffer.data, buffer.size);
        screen.drawn = true;
        screen_drop_frame();
        return r;
}

static void screen_stop(void)
{
        terminal_leave();
        raise(SIGSTOP);
}

/* Whether there is something to draw again. */
static bool screen_take_signals(void)
{
        struct signalfd_siginfo info;
        bool draw = false;

        while (read(screen.signals, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo == SIGTSTP)
                        screen_stop();
                if (info.ssi_signo == SIGCONT && screen.redraws)
                        terminal_continue();
                draw = true;
        }
        return draw && screen.redraws;
}

/* Whether the user left. */
static bool screen_take_keys(void)
{
        char keys[KEYS_MAX];
        ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return false;
        return n <= 0 || memchr(keys, 'q', (size_t)n) || memchr(keys, 'Q', (size_t)n);
}

/* In milliseconds, for poll(2). */
static int screen_time_left(int64_t until)
{
        int64_t left = until - clock_monotonic_usec();

        return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, INT64_C(60000));
}

ScreenNews screen_wait(const WireClient *client, int64_t until)
{
        while (!session_interrupted()) {
                struct pollfd fds[] = {
                        {.fd = wire_client_fd(client), .events = POLLIN},
                        {.fd = screen.signals, .events = POLLIN},
                        {.fd = screen.redraws && isatty(STDIN_FILENO) ? STDIN_FILENO : -1,
                         .events = POLLIN},
                        {.fd = STDOUT_FILENO}, /* its other end may go */
                };
                int n;

                if (wire_client_has_reply(client))
                        return SCREEN_REPLY;
                n = poll(fds, ARRAY_SIZE(fds), screen_time_left(until));
                if (n < 0 && errno != EINTR)
                        return SCREEN_LEFT;
                if (n < 0)
                        continue;
                if (session_interrupted() || fds[3].revents ||
                    (fds[2].revents && screen_take_keys()))
                        return SCREEN_LEFT;
                if (fds[1].revents && screen_take_signals())
                        return SCREEN_DUE;
                if (fds[0].revents)
                        return SCREEN_REPLY;
                if (screen_time_left(until) == 0)
                        return SCREEN_DUE;
        }
        return SCREEN_LEFT;
}
