# SPDX-License-Identifier: Apache-2.0
"""The console: kept, rotated, followed, written to."""
import base64
import contextlib
import json
import os
import pty
import re
import select
import subprocess
import termios
import time

import pytest

from harness import exits
from harness.daemon import CVMCTL
from harness.processes import SLOWNESS, eventually, resident


def logs(daemon, name="web", **parameters):
    return base64.b64decode(daemon.call("Logs", name=name, **parameters)["data"])


def whole(daemon):
    """What a fake guest says until it is ready. It tells the daemon first, and then the console."""
    return eventually(lambda: (text := logs(daemon)).endswith(b"fake-qemu: ready\r\n") and text,
                      "the last line is there")


def test_logs(cvmd):
    cvmd.launch("web", wait="ready")
    text = whole(cvmd)
    assert cvmd.cvmctl("logs", "web").stdout.encode() == text.replace(b"\r\n", b"\n")
    assert text.endswith(logs(cvmd, lines=1))
    assert logs(cvmd, lines=1).count(b"\n") <= 1 and len(logs(cvmd, lines=1)) < len(text)


def test_logs_stay_after_the_end(cvmd):
    cvmd.launch("web", wait="ready")
    text = whole(cvmd)
    cvmd.stop("web", force=True)
    assert logs(cvmd) == text
    assert cvmd.terminate() == 0
    cvmd.start()
    assert logs(cvmd) == text


def test_logs_are_followed(cvmd):
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    with cvmd.client() as follower, cvmd.client() as typing:
        follower.send("Logs", {"name": "web", "follow": True}, more=True)
        console = typing.upgrade("Console", name="web")
        console.sendall(b"what comes later\n")
        seen = b""
        while b"what comes later" not in seen:
            seen += base64.b64decode(follower.receive(more=True)[0]["data"])


@pytest.mark.not_valgrind("its threads are the daemon's, too")
def test_logs_are_read_off_the_loop(cvmd):
    """What one user reads holds up nobody else: the main thread reads no file for it."""
    cvmd.launch("web", cmdline="fake.console-bytes=4000000", wait="ready")
    pid = cvmd.process.pid
    eventually(lambda: len(logs(cvmd)) > 4_000_000, "all is written")

    def read_by_the_loop():
        with open(f"/proc/{pid}/task/{pid}/io", encoding="ascii") as file:
            return int(file.readline().split()[1])

    before = read_by_the_loop()
    for _ in range(3):
        assert len(logs(cvmd)) > 4_000_000
    assert read_by_the_loop() - before < 1_000_000


def test_follow_neither_loses_nor_doubles(cvmd):
    """The past is read while the guest writes on."""
    cvmd.launch("web", cmdline="fake.echo fake.console-bytes=1000000", wait="ready")
    with cvmd.client() as follower, cvmd.client() as typing:
        console = typing.upgrade("Console", name="web")
        for number in range(400):
            console.sendall(b"<%d>" % number)
            if number == 100:
                follower.send("Logs", {"name": "web", "follow": True}, more=True)
        seen = b""
        while b"<399>" not in seen:
            seen += base64.b64decode(follower.receive(more=True)[0]["data"])
    assert [int(n) for n in re.findall(rb"<(\d+)>", seen)] == list(range(400))


def test_follow_ends_with_the_cvm(cvmd):
    cvmd.launch("web", wait="ready")
    process = subprocess.Popen([CVMCTL, "--socket", cvmd.socket, "logs", "web", "--follow"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline()
        cvmd.discard("web")
        assert process.wait(10 * SLOWNESS) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_guest_cannot_fill_the_disk(make_daemon, config):
    size, files = 65536, 2
    daemon = make_daemon({**config, "console": {"size": "64K", "files": files}})
    written = 3_000_000
    daemon.launch("web", cmdline=f"fake.console-bytes={written}", wait="ready")

    def on_disk():
        sizes = []
        for directory, _, names in os.walk(daemon.state / "consoles"):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # put away meanwhile
                    sizes.append(os.stat(os.path.join(directory, name)).st_size)
        return sizes

    eventually(lambda: sum(on_disk()) > size, "the files are written")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert sum(on_disk()) <= size * files and len(on_disk()) <= files
        time.sleep(0.05)
    assert len(logs(daemon)) <= size * files


def test_console_is_raw_both_ways(cvmd):
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    everything = bytes(range(256)) * 20
    with cvmd.client() as client:
        console = client.upgrade("Console", name="web")
        console.sendall(everything)
        seen = client.buffer
        while everything not in seen:
            data = console.recv(65536)
            assert data, f"closed after {len(seen)} bytes"
            seen += data


def test_console_begins_with_what_was_kept(cvmd):
    cvmd.launch("web", wait="ready")
    text = eventually(lambda: logs(cvmd), "there is output")
    with cvmd.client() as client:
        console = client.upgrade("Console", name="web")
        seen = client.buffer
        while text not in seen:
            seen += console.recv(65536)


def test_a_console_that_is_not_read(cvmd):
    """The guest goes on, and so does everybody else."""
    cvmd.launch("web", cmdline="fake.console-bytes=20000000", wait="ready")
    with cvmd.client() as client:
        client.upgrade("Console", name="web")
        assert cvmd.stop("web")["state"] == "stopped"


@pytest.mark.not_valgrind("its memory is the daemon's, too")
@pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="it keeps memory that was freed")
def test_many_that_do_not_read(cvmd):
    """What the guest writes is kept once for all of them, and nobody else waits for it."""
    cvmd.launch("web", cmdline="fake.console-bytes=2000000000", wait="ready")
    cvmd.call("List")
    before = resident(cvmd.process.pid)
    with contextlib.ExitStack() as clients:
        for number in range(80):
            client = clients.enter_context(cvmd.client())
            if number % 2:
                client.send("Logs", {"name": "web", "lines": 0, "follow": True}, more=True)
            else:
                client.upgrade("Console", name="web")
        most, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            cvmd.call("List")
            most = max(most, resident(cvmd.process.pid) - before)
        assert most < 48 << 10, f"{most} KiB"


def test_two_consoles_of_one_cvm(cvmd):
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    with cvmd.client() as one, cvmd.client() as two:
        first, second = one.upgrade("Console", name="web"), two.upgrade("Console", name="web")
        first.sendall(b"to both\n")
        for console, client in ((first, one), (second, two)):
            seen = client.buffer
            while b"to both" not in seen:
                seen += console.recv(65536)


def test_console_of_a_stopped_one(cvmd):
    cvmd.launch("web")
    cvmd.stop("web", force=True)
    done = cvmd.cvmctl("console", "web", check=False)
    assert done.returncode == exits.FAILED and "stopped" in done.stderr


def test_console_closes_when_the_cvm_ends(cvmd):
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    with cvmd.client() as client:
        console = client.upgrade("Console", name="web")
        cvmd.stop("web", force=True)
        while console.recv(65536):
            pass


@pytest.fixture
def terminal():
    """A pseudo-terminal: (our end, the other's)."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    for fd in (ours, theirs):
        os.close(fd)


def read_terminal(fd, until):
    seen, end = b"", time.monotonic() + 10 * SLOWNESS
    while until not in seen:
        ready, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
        assert ready, seen
        seen += os.read(fd, 65536)
    return seen


def test_cvmctl_console_on_a_terminal(cvmd, terminal):
    """Raw while it runs, as before after Ctrl-]."""
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    process = subprocess.Popen([CVMCTL, "--socket", cvmd.socket, "console", "web"],
                               stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        eventually(lambda: termios.tcgetattr(theirs) != before, "the terminal is raw")
        os.write(ours, b"typed\x03\n")
        read_terminal(ours, b"typed\x03")
        os.write(ours, b"\x1d")
        assert process.wait(10 * SLOWNESS) == 0
    finally:
        process.kill()
        process.wait()
    assert termios.tcgetattr(theirs) == before


def test_control_characters_do_not_reach_a_terminal(cvmd, terminal):
    ours, theirs = terminal
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    with cvmd.client() as client:
        client.upgrade("Console", name="web").sendall(b"evil\x1b]0;owned\x07end\n")
        eventually(lambda: b"end" in logs(cvmd), "it is in the log")
    process = subprocess.Popen([CVMCTL, "--socket", cvmd.socket, "logs", "web"], stdin=theirs,
                               stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    shown = read_terminal(ours, b"end")
    assert process.wait(10 * SLOWNESS) == 0
    assert b"\x1b" not in shown and b"\x07" not in shown
    assert b"evil" in shown


def test_logs_as_json(cvmd):
    cvmd.launch("web", wait="ready")
    eventually(lambda: logs(cvmd), "there is output")
    lines = cvmd.cvmctl("logs", "web", "--json").stdout.splitlines()
    assert b"".join(base64.b64decode(json.loads(line)["data"]) for line in lines) == logs(cvmd)


def timed_logs(daemon, **parameters):
    reply = daemon.call("Logs", name="web", **parameters)
    return base64.b64decode(reply["data"]), reply.get("times")


def test_logs_since_and_their_times(cvmd):
    """Each piece has the time at which it came, and `since` selects by it."""
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    with cvmd.client() as typing:
        stream = typing.upgrade("Console", name="web")
        for text in (b"first\n", b"second\n"):
            time.sleep(0.2)  # what comes soon after other output may have its time
            begun = time.time_ns() // 1000
            stream.sendall(text)
            eventually(lambda text=text: timed_logs(cvmd)[0].endswith(text), "the log has it")
            ended = time.time_ns() // 1000
            data, times = timed_logs(cvmd, times=True)
            at = data.rindex(text)
            last = [point for point in times if point["position"] <= at][-1]
            assert begun <= last["at"] <= ended and times[0]["position"] == 0
    data, times = timed_logs(cvmd, since=begun, times=True)
    assert data == b"second\n" and [point["position"] for point in times] == [0]
    assert timed_logs(cvmd, since=begun, lines=5)[0] == b"second\n"
    assert timed_logs(cvmd, since=ended + 1)[0] == b""
    assert timed_logs(cvmd, since=1)[0] == timed_logs(cvmd)[0] and timed_logs(cvmd)[1] is None


def test_since_after_a_restart_of_the_daemon(cvmd):
    """Output from before has no time: it comes if the time asked for is before the new daemon's."""
    before = time.time_ns() // 1000
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    with cvmd.client() as typing:
        typing.upgrade("Console", name="web").sendall(b"first\n")
        eventually(lambda: timed_logs(cvmd)[0].endswith(b"first\n"), "the log has it")
    assert cvmd.terminate() == 0
    cvmd.start()
    data, times = timed_logs(cvmd, since=before, times=True)
    assert data.endswith(b"first\n") and times == []
    assert timed_logs(cvmd, since=time.time_ns() // 1000)[0] == b""


def test_followed_output_has_times(cvmd):
    cvmd.launch("web", cmdline="fake.echo", wait="ready")
    with cvmd.client() as reader, cvmd.client() as typing:
        reader.send("Logs", {"name": "web", "follow": True, "lines": 0, "times": True}, more=True)
        cvmd.call("List")
        begun = time.time_ns() // 1000
        typing.upgrade("Console", name="web").sendall(b"now\n")
        reply, continues = reader.receive(more=True)
    assert continues and reply["times"][0]["position"] == 0
    assert begun <= reply["times"][0]["at"] <= time.time_ns() // 1000
