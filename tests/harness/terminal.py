# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, and what that terminal shows.

    with Terminal(["cvmctl", "top"], rows=5, columns=40) as terminal:
        terminal.wait_for("web")
        terminal.type("q")
        assert terminal.wait() == 0
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness.processes import SLOWNESS

SECONDS = 20 * SLOWNESS
SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class Screen:
    """Rows of characters, as ECMA-48 and xterm have them; what it does not know is a failure."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.shell, self.other = {}, None  # row to text; other: while that screen is shown
        self.row = self.column = 0
        self.saved = (0, 0)
        self.modes = {"25": True, "7": True}
        self.scrolled = 0
        self.rest = ""

    @property
    def cells(self):
        return self.shell if self.other is None else self.other

    @property
    def lines(self):
        last = max((row for row, text in self.cells.items() if text.strip()), default=-1)
        return [self.cells.get(row, "").rstrip() for row in range(last + 1)]

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        while text:
            if text[0] != "\x1b":
                self.put(text[0])
                text = text[1:]
                continue
            match = SEQUENCE.match(text)
            if not match:
                assert len(text) < 16, repr(text)
                self.rest = text
                return
            self.control(*match.groups())
            text = text[match.end():]

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.row += 1
            if self.row == self.rows:
                self.scroll()
        else:
            assert c.isprintable(), repr(c)
            line = self.cells.get(self.row, "").ljust(self.column)
            self.cells[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.column = min(self.column + 1, self.columns - 1)

    def scroll(self):
        moved = {row - 1: text for row, text in self.cells.items() if row}
        self.cells.clear()
        self.cells.update(moved)
        self.row -= 1
        self.scrolled += 1

    def control(self, private, numbers, letter):
        if private and letter in "hl":
            self.mode(numbers, letter == "h")
        elif letter == "H" and not numbers:
            self.row = self.column = 0
        elif letter == "K" and not numbers:
            self.cells[self.row] = self.cells.get(self.row, "")[:self.column]
        elif letter == "J" and not numbers:
            for row in [row for row in self.cells if row > self.row]:
                del self.cells[row]
            self.cells[self.row] = self.cells.get(self.row, "")[:self.column]
        else:
            assert letter == "m", (private, numbers, letter)

    def mode(self, number, on):
        if number != "1049":
            assert number in self.modes, number
            self.modes[number] = on
        elif on:
            assert self.other is None, "the cursor that was saved is lost"
            self.saved = self.row, self.column
            self.other = {}
        else:
            assert self.other is not None
            self.other = None
            self.row, self.column = self.saved


class Terminal:
    def __init__(self, args, rows=24, columns=80, environment=None, **options):
        self.leader, self.follower = pty.openpty()
        self.resize(rows, columns, announce=False)
        self.before = termios.tcgetattr(self.follower)
        self.screen = Screen(rows, columns)
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.raw = b""
        env = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "TZ": "UTC",
               **(environment or {})}
        # a session of its own, whose terminal this is: Ctrl-C and Ctrl-Z become signals
        self.process = subprocess.Popen(
            list(map(str, args)), env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(self.follower, termios.TIOCSCTTY, 0),
            **{"stdin": self.follower, "stdout": self.follower, "stderr": self.follower,
               **options})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.leader)
        os.close(self.follower)

    def resize(self, rows, columns, announce=True):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if announce:
            self.screen.rows, self.screen.columns = rows, columns
            self.process.send_signal(signal.SIGWINCH)

    def type(self, keys):
        os.write(self.leader, keys.encode())

    def read(self, seconds):
        """Takes what has come, or waits so long for something."""
        while select.select([self.leader], [], [], seconds)[0]:
            data = os.read(self.leader, 65536)
            self.raw += data
            self.screen.feed(self.decoder.decode(data))
            seconds = 0

    def wait_until(self, condition, what):
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, (what, self.screen.lines, self.raw[-400:])
            self.read(0.1)

    def wait_for(self, text):
        self.wait_until(lambda: text in "\n".join(self.screen.lines), text)

    @property
    def is_as_before(self):
        """Whether a shell would find the terminal as the program did."""
        return (termios.tcgetattr(self.follower) == self.before and self.screen.other is None
                and all(self.screen.modes.values()))

    @property
    def reads_keys(self):
        return not termios.tcgetattr(self.follower)[3] & (termios.ICANON | termios.ECHO)

    def wait(self):
        """The exit status; the terminal must be as before."""
        self.wait_until(lambda: self.process.poll() is not None, "the program ends")
        self.read(0)
        assert self.is_as_before, (self.screen.modes, self.raw[-200:])
        return self.process.returncode
