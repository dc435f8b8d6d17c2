# SPDX-License-Identifier: Apache-2.0
"""cvmctl top: what it draws, and how it leaves the terminal."""
import os
import signal
import time

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.peer import Peer, cvm
from harness.processes import eventually, state
from harness.terminal import Terminal

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")


def fleet(*names, **fields):
    return {"cvms": [cvm(name, createdAt=int((time.time() - 3700) * 1e6), restarts=3, **fields)
                     for name in names], "sequence": 1, "boot": "0"}


class Daemon(Peer):
    """Answers List with `fleet`, which may change."""

    def __init__(self, *names):
        self.fleet = fleet(*names)
        super().__init__(List=lambda call, connection: connection.reply(self.fleet),
                         Stats={"stats": []})

    def top(self, interval=1, **options):
        return Terminal([CVMCTL, "--socket", self.path, "top", "--interval", interval], **options)


def test_frames_are_drawn_over_each_other():
    with Daemon("web", "db") as daemon, daemon.top(
            rows=6, columns=90, environment={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("web")
        assert terminal.screen.lines[0].split() == ["NAME", "STATE", "READY", "AGE", "CPU", "%",
                                                     "MEMORY", "RESTARTS", "LAST", "EVENT"]
        assert terminal.screen.lines[1].split() == ["web", "running", "yes", "1h", "-",
                                                     "-", "3", "-"]
        assert terminal.screen.other is not None and not terminal.screen.modes["25"]
        assert terminal.reads_keys
        terminal.raw = b""
        daemon.fleet = fleet("a")
        terminal.wait_for("\na ")
        assert len(terminal.screen.lines) == 2, terminal.screen.lines
        terminal.read(0)
        # no frame erases what is not drawn again at once
        frames = terminal.raw.split(b"\x1b[H")
        assert frames[0] == b"" and len(frames) > 1
        for frame in frames[1:]:
            *lines, last = frame.split(b"\n")
            assert all(line.rstrip(b"\r").endswith(b"\x1b[K") for line in lines)
            assert last.endswith(b"\x1b[K\x1b[J") and frame.count(b"\x1b[") == len(lines) + 2
        terminal.type("q")
        assert terminal.wait() == 0 and terminal.screen.lines == []


@pytest.mark.parametrize("verb", [["top"], ["list", "-w"]])
def test_frames_have_the_colours_of_tables(verb):
    with Daemon("web") as daemon:
        for no_color, text in (("", "\x1b[32mrunning\x1b[0m"), ("1", " running ")):
            with Terminal([CVMCTL, "--socket", daemon.path, *verb], columns=100,
                          environment={"NO_COLOR": no_color}) as terminal:
                terminal.wait_for("running")
                assert text in terminal.raw.decode(), terminal.raw
                terminal.type("q")
                assert terminal.wait() == 0


def test_nothing_to_show_and_what_is_of_no_use():
    with Daemon() as daemon, Terminal([CVMCTL, "--socket", daemon.path, "top"]) as terminal:
        terminal.wait_for("No CVMs.")
        terminal.type("q")
        assert terminal.wait() == 0
        assert daemon.cvmctl("top").out == "No CVMs.\n"
        assert daemon.cvmctl("top", "--json").json == []
        done = daemon.cvmctl("top", "--json", "--interval", "1")
        assert done.code == exits.USAGE and "without --interval" in done.err


def test_a_window_that_is_too_small_and_grows():
    names = [f"cvm{i:02}" for i in range(20)]
    with Daemon(*names) as daemon, daemon.top(3600, rows=8, columns=60) as terminal:
        terminal.wait_for("more lines")
        assert len(terminal.screen.lines) == 8 and not terminal.screen.scrolled
        assert terminal.screen.lines[-1] == "(14 more lines)"
        terminal.resize(40, 30)
        terminal.wait_for("cvm19")
        assert len(terminal.screen.lines) == 21 and terminal.screen.modes["7"] is False
        terminal.type("xq")
        assert terminal.wait() == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, "\x03"])
def test_each_way_out_restores_the_terminal(how):
    with Daemon("web") as daemon, daemon.top() as terminal:
        terminal.wait_for("web")
        if how == "\x03":
            terminal.type(how)
        else:
            terminal.process.send_signal(how)
        assert terminal.wait() == (exits.INTERRUPTED if how == "\x03" else 0)


def test_a_daemon_that_does_not_answer():
    answers = iter([True])

    def answer(_, connection):
        if next(answers, False):
            connection.reply(fleet("web"))
    with Peer(List=answer, Stats={"stats": []}) as peer, Terminal(
            [CVMCTL, "--socket", peer.path, "top", "--interval", 1]) as terminal:
        terminal.wait_for("web")
        eventually(lambda: len(peer.calls) > 3, "it asks again")
        terminal.type("\x03")
        assert terminal.wait() == exits.INTERRUPTED


def test_a_daemon_that_goes_away():
    with Daemon("web") as daemon, daemon.top() as terminal:
        terminal.wait_for("web")
        daemon.scripts["List"] = lambda call, connection: connection.close()
        assert terminal.wait() == exits.FAILED
        assert "cvmctl: " in terminal.screen.lines[0], terminal.screen.lines


def test_a_stop_and_what_follows():
    with Daemon("web") as daemon, daemon.top() as terminal:
        terminal.wait_for("web")
        terminal.type("\x1a")
        eventually(lambda: state(terminal.process.pid) == "T", "it is stopped")
        terminal.read(0)
        assert terminal.is_as_before
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_until(lambda: terminal.reads_keys, "it reads keys again")
        terminal.wait_for("web")
        terminal.process.send_signal(signal.SIGSTOP)  # which nobody can be told of
        eventually(lambda: state(terminal.process.pid) == "T", "it is stopped")
        terminal.process.send_signal(signal.SIGCONT)
        terminal.type("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize("environment_of_it", [{}, {"TERM": "dumb"}])
def test_one_frame_elsewhere(environment_of_it):
    with Daemon("web", "db") as daemon:
        done = daemon.cvmctl("top")
        assert (done.code, done.err) == (0, "") and "\x1b" not in done.out
        assert [line.split()[0] for line in done.out.splitlines()] == ["NAME", "web", "db"]
        if environment_of_it:
            with daemon.top(environment=environment_of_it) as terminal:
                assert terminal.wait() == 0
                assert b"\x1b" not in terminal.raw and "web" in terminal.screen.lines[1]
        shown = daemon.cvmctl("top", "--json").json
        assert [one["name"] for one in shown] == ["web", "db"]
        daemon.cvmctl("top", "--label", "tier=1", "--state", "running")
        assert daemon.calls[-1].parameters == {"labels": {"tier": "1"}, "state": "running"}


def test_keys_are_of_the_terminal_alone():
    """Without a terminal to read from, what comes there is no key."""
    reader, writer = os.pipe()
    with Daemon("web") as daemon, daemon.top(stdin=reader) as terminal:
        os.close(reader)
        os.write(writer, b"q")
        terminal.wait_for("web")
        count = len(daemon.calls)
        eventually(lambda: len(daemon.calls) > count, "it asks again")
        os.close(writer)
        terminal.process.terminate()
        assert terminal.wait() == 0


def test_no_daemon_leaves_the_terminal_alone(tmp_path):
    with Terminal([CVMCTL, "--socket", tmp_path / "none", "top"]) as terminal:
        assert terminal.wait() == exits.UNAVAILABLE and b"\x1b" not in terminal.raw
