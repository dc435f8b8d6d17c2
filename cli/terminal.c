/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <string.h>
#include <termios.h>

#include "base/fd.h"

/* xterm's private modes: the other screen with the cursor saved (1049), no cursor (25), no line
 * wrapping (7). */
#define TERMINAL_ENTER "\033[?1049h\033[?25l\033[?7l"
#define TERMINAL_LEAVE "\033[?7h\033[?25h\033[?1049l"

/* What to restore; this file's alone, so that fail_*() can do it wherever it was entered. */
static struct {
        bool entered;
        bool has_input;
        struct termios saved; /* of standard input, if has_input */
} terminal;

static void terminal_set_input(void)
{
        struct termios keys = terminal.saved;

        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        if (terminal.has_input)
                tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
}

static void terminal_write(const char *text)
{
        (void)fd_write_all(STDOUT_FILENO, text, strlen(text));
}

void terminal_enter(void)
{
        terminal.has_input = tcgetattr(STDIN_FILENO, &terminal.saved) == 0;
        terminal_set_input();
        terminal_write(TERMINAL_ENTER);
        terminal.entered = true;
}

void terminal_continue(void)
{
        if (terminal.entered)
                terminal_set_input();
        else
                terminal_enter();
}

void terminal_leave(void)
{
        if (!terminal.entered)
                return;
        terminal.entered = false;
        terminal_write(TERMINAL_LEAVE);
        if (terminal.has_input)
                tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.saved);
}
