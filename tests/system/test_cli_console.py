# SPDX-License-Identifier: Apache-2.0
"""cvmctl console: a terminal, a pipe, and every way in which it ends."""
import os
import pty
import select
import signal
import subprocess
import termios

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import TIMEOUT, Peer, environment, refuse
from harness.processes import eventually

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")


class Guest:
    """The far end: greets, then answers each line in capitals until it is told to go."""

    def __init__(self):
        self.heard = b""
        self.gone = False

    def __call__(self, call, connection):
        assert call.method == "Console" and call.upgrade and call.parameters == {"name": "web"}
        # with the reply, so that it arrives as early bytes
        connection.send_raw(b'{"parameters": {}}\0early \x1b[1m')
        while not self.heard.endswith(b"bye"):
            try:
                data = connection.socket.recv(65536)
                self.heard += data
                connection.send_raw(data.upper())
            except (ConnectionResetError, BrokenPipeError):
                break
            if not data:
                break
        connection.close()
        self.gone = True


class Terminal:
    """cvmctl console on a terminal of its own."""

    def __init__(self, path, stdout=None):
        self.leader, self.follower = pty.openpty()
        self.before = termios.tcgetattr(self.follower)
        self.seen = b""
        self.process = subprocess.Popen(
            [CVMCTL, "--socket", path, "console", "web"], stdin=self.follower,
            stdout=stdout or self.follower, stderr=self.follower, env=environment(),
            start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.leader)
        os.close(self.follower)

    def expect(self, text):
        while text not in self.seen:
            assert select.select([self.leader], [], [], TIMEOUT)[0], (text, self.seen)
            self.seen += os.read(self.leader, 65536)

    def type(self, data):
        os.write(self.leader, data)

    def is_raw(self):
        return not termios.tcgetattr(self.follower)[3] & (termios.ICANON | termios.ISIG)

    def wait(self):
        """The exit status; the terminal must be as it was."""
        code = self.process.wait(TIMEOUT)
        assert termios.tcgetattr(self.follower) == self.before
        return code


@pytest.fixture
def guest():
    return Guest()


def test_a_terminal(guest):
    with Peer(Console=guest) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"early \x1b[1m")
        assert b"Ctrl-] disconnects" in terminal.seen
        assert terminal.is_raw()
        terminal.type(b"hello\r\x03\x1a\xff")
        terminal.expect(b"HELLO\r\x03\x1a\xff")
        terminal.type(b"last\x1dlost")
        assert terminal.wait() == 0
        eventually(lambda: guest.gone, "the connection is closed")
    assert guest.heard == b"hello\r\x03\x1a\xfflast"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_restore_the_terminal(guest, how):
    with Peer(Console=guest) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"early")
        eventually(terminal.is_raw, "the terminal is raw")
        terminal.process.send_signal(how)
        assert terminal.wait() == 0


def test_the_guests_end_restores_the_terminal(guest):
    with Peer(Console=guest) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"early")
        terminal.type(b"bye")
        terminal.expect(b"BYE")
        terminal.expect(b"\r\ncvmctl: disconnected from the console\r\n")
        assert terminal.wait() == 0


def test_output_that_nobody_reads_restores_the_terminal(guest):
    reader, writer = os.pipe()
    with Peer(Console=guest) as peer, Terminal(peer.path, writer) as terminal:
        os.close(writer)
        eventually(terminal.is_raw, "the terminal is raw")
        os.close(reader)
        terminal.type(b"x")
        assert terminal.wait() == 0


def test_raw_again_after_a_stop(guest):
    with Peer(Console=guest) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"early")
        eventually(terminal.is_raw, "the terminal is raw")
        terminal.process.send_signal(signal.SIGSTOP)
        termios.tcsetattr(terminal.follower, termios.TCSANOW, terminal.before)
        terminal.process.send_signal(signal.SIGCONT)
        eventually(terminal.is_raw, "the terminal is raw again")
        terminal.type(b"\x1d")
        assert terminal.wait() == 0


def test_a_refusal_leaves_the_terminal_alone():
    with Peer(Console=refuse("WrongState", name="web", state="stopped",
                             allowed=["running"])) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"web' is stopped")
        assert terminal.wait() == exits.FAILED


def test_pipes(guest):
    """A script's bytes pass unchanged, escape and all; the end of its input does not end it."""
    data = os.urandom(300_000).replace(b"bye", b"BYE") + b"\x1d then bye"
    with Peer(Console=guest) as peer:
        done = peer.cvmctl("console", "web", input=data)
    assert (done.code, done.err) == (0, "")
    assert guest.heard == data
    assert done.raw == b"early \x1b[1m" + data.upper()


def test_no_input_at_all(guest):
    with Peer(Console=guest) as peer:
        process = subprocess.Popen([CVMCTL, "--socket", peer.path, "console", "web"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   env=environment())
        assert process.stdout.read(10) == b"early \x1b[1m"
        assert process.poll() is None
        process.terminate()
        assert process.wait(TIMEOUT) == 0
        process.stdout.close()


def test_a_guest_that_does_not_read():
    def deaf(call, connection):
        connection.reply()
        connection.send_raw(b"x" * 1_000_000)
        connection.close()
    with Peer(Console=deaf) as peer:
        done = peer.cvmctl("console", "web", input=b"y" * 5_000_000)
    assert done.code == 0 and done.out.startswith("x")


def test_console_takes_no_json(guest):
    with Peer(Console=guest) as peer:
        assert peer.cvmctl("console", "web", "--json").code == exits.USAGE
