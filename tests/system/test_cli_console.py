# SPDX-License-Identifier: Apache-2.0
"""cvmctl console: a terminal, a pipe, and every way in which it ends."""
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import TIMEOUT, Peer, cvm, environment, refuse
from harness.processes import eventually
from harness.tmux import Tmux

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")


STATUS = {"cvm": cvm(spec={"name": "web", "cmdline": "console=ttyS0"})}
BANNER = b"\x1b[?7h\x1b[0m\r\ncvmctl: console of web; Ctrl-] disconnects\r\n"


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

    def __init__(self, path, stdout=None, term="xterm"):
        self.leader, self.follower = pty.openpty()
        self.before = termios.tcgetattr(self.follower)
        self.seen = b""
        self.process = subprocess.Popen(
            [CVMCTL, "--socket", path, "console", "web"], stdin=self.follower,
            stdout=stdout or self.follower, stderr=self.follower, env=environment(TERM=term),
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
    with Peer(Console=guest, Status=STATUS) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"early \x1b[1m")
        assert terminal.is_raw()
        terminal.expect(BANNER)  # last, where the guest's output does not hide it
        assert terminal.seen.endswith(b"early \x1b[1m" + BANNER)
        terminal.type(b"hello\r\x03\x1a\xff")
        terminal.expect(b"HELLO\r\x03\x1a\xff")
        terminal.type(b"last\x1dlost")
        assert terminal.wait() == 0
        eventually(lambda: guest.gone, "the connection is closed")
    assert guest.heard == b"hello\r\x03\x1a\xfflast"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_restore_the_terminal(guest, how):
    with Peer(Console=guest, Status=STATUS) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"early")
        eventually(terminal.is_raw, "the terminal is raw")
        terminal.process.send_signal(how)
        assert terminal.wait() == 0


def test_the_guests_end_restores_the_terminal(guest):
    with Peer(Console=guest, Status=STATUS) as peer, Terminal(peer.path) as terminal:
        terminal.expect(b"early")
        terminal.type(b"bye")
        terminal.expect(b"BYE")
        terminal.expect(b"\r\ncvmctl: disconnected from the console\r\n")
        assert terminal.wait() == 0
        assert b"\x1b[?7h" in terminal.seen


def test_a_terminal_that_knows_no_sequences_gets_none(guest):
    with Peer(Console=guest, Status=STATUS) as peer, Terminal(peer.path, term="dumb") as terminal:
        terminal.expect(b"cvmctl: console of web")
        terminal.type(b"\x1d")
        assert terminal.wait() == 0
        terminal.expect(b"disconnected from the console\r\n")
        assert terminal.seen.count(b"\x1b") == 1  # the guest's


def test_the_banner_comes_while_the_guest_writes_on():
    def busy(call, connection):
        connection.send_raw(b'{"parameters": {}}\0')
        try:
            while True:
                connection.send_raw(b"tick\r\n")
                time.sleep(0.01)
        except OSError:
            connection.close()

    with Peer(Console=busy, Status=STATUS) as peer, Terminal(peer.path) as terminal:
        terminal.expect(BANNER)
        terminal.type(b"\x1d")
        assert terminal.wait() == 0


@pytest.mark.parametrize("spec, debug, told", [
    ({}, False, True), ({}, True, False), ({"cmdline": "console=null quiet"}, True, True),
    ({"cmdline": "quiet"}, False, False), ({"cmdline": "console=ttyS0 console=null"}, False, False),
    ({"cmdline": "console=nullx"}, False, False)])
def test_why_a_console_is_empty(guest, spec, debug, told):
    status = {"cvm": cvm(spec={"name": "web", **spec}, debug=debug)}
    with Peer(Console=guest, Status=status) as peer, Terminal(peer.path) as terminal:
        terminal.expect(BANNER)
        terminal.type(b"\x1d")
        assert terminal.wait() == 0
        terminal.expect(b"disconnected from the console\r\n")
        assert (b"has console=null" in terminal.seen) == told
        assert peer.calls[0].parameters == {"name": "web", "withSpec": True}


def test_the_terminal_is_sane_afterwards(tmp_path):
    """SeaBIOS ends line wrap; a guest may hide the cursor, and use colours and line drawing."""
    def spoil(call, connection):
        connection.send_raw(b'{"parameters": {}}\0\x1bc\x1b[?7l\x1b[2JSeaBIOS\r\n\x1b[?25l'
                            b"\x1b[7m\x1b(0\x1b[?1000h\x1b[4h")
        connection.wait_closed()
        connection.close()

    with Peer(Console=spoil, Status=STATUS) as peer, Tmux(tmp_path, 40) as tmux:
        tmux.run(f"{CVMCTL} --socket {peer.path} console web")
        tmux.expect("SeaBIOS")
        tmux.expect("cvmctl: console of web; Ctrl-] disconnec\nts")
        assert tmux.show("#{cursor_flag} #{mouse_any_flag} #{insert_flag}") == "0 1 1"
        tmux.type("C-]")
        tmux.expect("disconnected from the console")
        eventually(lambda: tmux.show("#{wrap_flag} #{cursor_flag} #{mouse_any_flag} "
                                     "#{insert_flag}") == "1 1 0 0", tmux.screen)
        tmux.run("echo " + "lqk" * 15)
        tmux.expect("lqk" * 13 + "l\nqklqk")


def test_output_that_nobody_reads_restores_the_terminal(guest):
    reader, writer = os.pipe()
    with Peer(Console=guest, Status=STATUS) as peer, Terminal(peer.path, writer) as terminal:
        os.close(writer)
        eventually(terminal.is_raw, "the terminal is raw")
        os.close(reader)
        assert terminal.wait() == 0


def test_raw_again_after_a_stop(guest):
    with Peer(Console=guest, Status=STATUS) as peer, Terminal(peer.path) as terminal:
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
                             allowed=["running"]), Status=STATUS) as peer, \
            Terminal(peer.path) as terminal:
        terminal.expect(b"web' is stopped")
        assert terminal.wait() == exits.FAILED


def test_pipes(guest):
    """A script's bytes pass unchanged, escape and all; the end of its input does not end it."""
    data = os.urandom(300_000).replace(b"bye", b"BYE") + b"\x1d then bye"
    with Peer(Console=guest, Status=STATUS) as peer:
        done = peer.cvmctl("console", "web", input=data)
    assert (done.code, done.err) == (0, "")
    assert guest.heard == data
    assert done.raw == b"early \x1b[1m" + data.upper()


def test_no_input_at_all(guest):
    with Peer(Console=guest, Status=STATUS) as peer:
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
    with Peer(Console=deaf, Status=STATUS) as peer:
        done = peer.cvmctl("console", "web", input=b"y" * 5_000_000)
    assert done.code == 0 and done.out.startswith("x")


def test_console_takes_no_json(guest):
    with Peer(Console=guest, Status=STATUS) as peer:
        assert peer.cvmctl("console", "web", "--json").code == exits.USAGE
