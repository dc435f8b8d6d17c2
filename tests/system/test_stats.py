# SPDX-License-Identifier: Apache-2.0
"""Stats, cvmctl stats and what cvmctl top shows of them, with the daemon's own numbers."""
import json
import os
import pathlib
import signal
import time

import pytest

from harness import exits, libvirt
from harness.daemon import CVMCTL
from harness.peer import Peer, cvm
from harness.processes import SLOWNESS, eventually
from harness.terminal import Terminal
from harness.varlink import VarlinkError

COUNTS = {"cpuUsec", "cpuUserUsec", "cpuSystemUsec", "memory", "memoryPeak", "tasks"}


def stats(daemon, **target):
    return daemon.call("Stats", **target)["stats"]


def cpu_usec(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000000 // os.sysconf("SC_CLK_TCK")


@pytest.mark.qemu_driver("QEMU's process is libvirt's, not the daemon's")
def test_a_process(cvmd):
    """No service manager runs here: what is counted is QEMU's process."""
    web = cvmd.launch("web", wait="ready", cpus=3)
    pid, before = web["pid"], cpu_usec(web["pid"])
    (one,) = stats(cvmd, name="web")
    assert (one["name"], one["id"], one["state"], one["cpus"], one["pid"], one["source"]) == (
        "web", web["id"], "running", 3, pid, "process")
    assert abs(one["at"] - time.time() * 1e6) < 60e6
    assert before <= one["cpuUsec"] <= cpu_usec(pid)
    assert one["cpuUsec"] == one["cpuUserUsec"] + one["cpuSystemUsec"]
    status = dict(line.split(":", 1) for line in
                  pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    assert one["tasks"] == int(status["Threads"])
    assert 0 < one["memory"] <= one["memoryPeak"] <= int(status["VmHWM"].split()[0]) * 1024
    assert not {"memoryMax", "memoryHigh", "sentBytes", "receivedBytes", "reads"} & {*one}
    cvmd.kill()
    cvmd.start()
    (again,) = stats(cvmd, id=web["id"])
    assert again["pid"] == pid and again["cpuUsec"] >= one["cpuUsec"] and COUNTS <= {*again}


@pytest.mark.qemu_driver("QEMU's process is libvirt's, not the daemon's")
def test_what_it_uses_is_counted(cvmd):
    """Its counts follow what QEMU does: here, lines that the guest's console echoes."""
    web = cvmd.launch("web", wait="ready", cmdline="fake.echo")
    first = stats(cvmd, name="web")[0]["cpuUsec"]
    with cvmd.client() as client:
        console = client.upgrade("Console", name="web")
        end = time.monotonic() + 60 * SLOWNESS
        while stats(cvmd, name="web")[0]["cpuUsec"] < first + 50000:
            assert time.monotonic() < end
            console.sendall(b"x" * 65536)
            console.recv(1 << 20)
    assert stats(cvmd, name="web")[0]["cpuUsec"] <= cpu_usec(web["pid"])


def test_all_and_those_that_have_ended(cvmd):
    assert stats(cvmd) == []
    for name in ("b", "a", "c"):
        cvmd.launch(name, wait="ready")
    cvmd.stop("b", force=True)
    found = stats(cvmd)
    assert [(one["name"], one["state"]) for one in found] == [
        ("a", "running"), ("b", "stopped"), ("c", "running")]
    source = None if libvirt.USED else "process"
    assert [one.get("source") for one in found] == [source, None, source]
    assert not COUNTS & {*found[1]}
    assert [(one["lastEvent"]["kind"], one["lastEvent"].get("newState")) for one in found] == [
        ("ready", None), ("state", "stopped"), ("ready", None)]
    if libvirt.USED:
        assert not COUNTS & {*found[0]}


def test_the_last_event_is_this_cvms(cvmd):
    old = cvmd.launch("web", wait="ready")
    cvmd.discard("web")
    new = cvmd.launch("web")
    with cvmd.client() as client:
        for reply in client.stream("Watch", fromSequence=0):
            event = reply["event"]
            if event["id"] == new["id"] and event.get("newState") == "running":
                break
    (one,) = stats(cvmd)
    assert one["id"] == new["id"] != old["id"]
    if one["lastEvent"]["kind"] == "state":
        assert one["lastEvent"] == {key: event[key] for key in
                                    ("sequence", "at", "kind", "newState")}
    cvmd.wait_ready("web")
    cvmd.terminate()
    cvmd.start()
    assert stats(cvmd)[0]["lastEvent"]["kind"] == "ready"


def test_targets(cvmd):
    web = cvmd.launch("web")
    with pytest.raises(VarlinkError) as refusal:
        stats(cvmd, name="other")
    assert refusal.value.name == "NoSuchCvm" and refusal.value.fields == {"name": "other"}
    with pytest.raises(VarlinkError) as refusal:
        stats(cvmd, name="other", id=web["id"])
    assert refusal.value.name == "NoSuchCvm"
    with pytest.raises(VarlinkError) as refusal:
        stats(cvmd, name="web", interval=3)
    assert refusal.value.name == "org.varlink.service.InvalidParameter"


def test_a_client_that_does_not_wait(cvmd):
    cvmd.launch("web")
    for _ in range(50):
        with cvmd.client() as client:
            client.send("Stats", {})
    assert len(stats(cvmd)) == 1


@pytest.mark.qemu_driver("QEMU's process is libvirt's, not the daemon's")
def test_by_cvmctl(cvmd):
    web = cvmd.launch("web", wait="ready")
    cvmd.launch("old")
    cvmd.stop("old", force=True)
    title, row = cvmd.cvmctl("stats").stdout.splitlines()
    assert title.split() == ["NAME", "CPU", "%", "MEMORY", "/", "LIMIT", "IO", "R", "/", "W", "NET",
                             "R", "/", "S", "TASKS", "SOURCE"]
    cells = row.split()
    assert cells[0] == "web" and cells[1].endswith("%") and cells[-1] == "process"
    assert cells[2][-1] in "KM" and cells[3:5] == ["/", "-"]
    shown = json.loads(cvmd.cvmctl("stats", web["id"][:8], "old", "--json").stdout)
    assert [one["name"] for one in shown] == ["web", "old"]
    assert 0 <= shown[0]["cpuPercent"] < 100 * os.cpu_count() and "cpuPercent" not in shown[1]
    done = cvmd.cvmctl("stats", "none", check=False)
    assert done.returncode == exits.NOT_FOUND and "none" in done.stderr
    with Terminal([CVMCTL, "--socket", cvmd.socket, "stats", "-w", "--interval", 1],
                  columns=100) as terminal:
        terminal.wait_until(lambda: "%" in "".join(terminal.screen.lines[1:]), "two samples")
        terminal.type("q")
        assert terminal.wait() == 0
    with Terminal([CVMCTL, "--socket", cvmd.socket, "top"], columns=120) as terminal:
        terminal.wait_until(lambda: "%" in "".join(terminal.screen.lines[1:]), "two samples")
        old, web = (line.split() for line in terminal.screen.lines[1:3])
        assert old[:3] == ["old", "stopped", "yes"] or old[:3] == ["old", "stopped", "no"]
        assert old[-5:-3] == ["state", "stopped,"] and web[-4] == "ready,"
        cvmd.stop("web", force=True)
        terminal.wait_for("web  stopped")
        terminal.type("q")
        assert terminal.wait() == 0


def one(name="web", identity="1", cpu=0, at=0, **fields):
    return {"name": name, "id": identity, "state": "running", "cpus": 2, "pid": 1,
            "source": "scope", "cpuUsec": cpu, "at": at, **fields}


FIRST = [one(cpu=1000000, at=10**15), one("db", "2", 5, 10**15), one("new", "3", 9, 10**15)]
SECOND = [
    one(cpu=3500000, at=10**15 + 10**6, memory=1536, memoryMax=2 << 30, readBytes=5 << 20,
        writtenBytes=0, receivedBytes=1023, sentBytes=1 << 40, tasks=9),
    one("db", "2", 4, 10**15 + 10**6),  # restarted under the same pid
    one("new", "3", 100, 10**15 + 10**6, pid=2),
    one("other", "4", 100, 10**15 + 10**6, source=None, memory=102349),
]


@pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")
def test_numbers():
    answers = iter([FIRST, SECOND] * 2)
    with Peer(Stats=lambda _, connection: connection.reply({"stats": next(answers)})) as peer:
        shown = peer.cvmctl("stats", "--json").json
        lines = peer.cvmctl("stats").out.splitlines()
    assert [each.get("cpuPercent") for each in shown] == [250.0, None, None]
    assert [line.split() for line in lines[1:]] == [
        ["web", "250.0%", "1.5K", "/", "2.0G", "5.0M", "/", "0", "1023", "/", "1.0T", "9", "scope"],
        ["db", "-", "-", "-", "-", "-", "scope"], ["new", "-", "-", "-", "-", "-", "scope"]]


@pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")
def test_nothing_to_show_and_what_is_of_no_use():
    with Peer(Stats={"stats": [one(source=None)]}) as peer:
        assert peer.cvmctl("stats").out == "No CVMs that run.\n"
        assert peer.cvmctl("stats", "--json").json == []
        calls = len(peer.calls)
        done = peer.cvmctl("stats", "--interval", "5s")
        assert done.code == exits.USAGE and "--interval requires --watch" in done.err
        assert len(peer.calls) == calls


@pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")
def test_frames_elsewhere_than_on_a_terminal():
    """They follow one another until nobody reads them any more."""
    with Peer(Stats=lambda _, connection: connection.reply({"stats": FIRST})) as peer:
        with Terminal([CVMCTL, "--socket", peer.path, "stats", "-w", "--interval", 1],
                      environment={"TERM": "dumb"}) as terminal:
            terminal.wait_until(lambda: len(terminal.screen.lines) == 9, "two frames")
            assert terminal.screen.lines[4] == "" and b"\x1b" not in terminal.raw
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.wait() == exits.INTERRUPTED
        with Terminal([CVMCTL, "--socket", peer.path, "stats", "-w", "--json", "--interval",
                       1]) as terminal:
            eventually(lambda: terminal.read(0.1) or terminal.raw.count(b"\n") == 2, "two samples")
            assert [each["name"] for each in json.loads(terminal.raw.split(b"\n")[1])] == [
                "web", "db", "new"]
            assert not terminal.reads_keys
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.wait() == exits.INTERRUPTED


@pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")
def test_top_joins_by_id():
    cvms = [cvm("db", id="2"), cvm("new", id="33"), cvm("web", id="1")]
    samples = sorted(SECOND, key=lambda each: each["name"])
    event = {"sequence": 7, "at": int((time.time() - 90) * 1e6), "kind": "note"}
    samples[-1]["lastEvent"] = event
    with Peer(Stats={"stats": samples},
              List={"cvms": cvms, "sequence": 8, "boot": "0"}) as peer:
        shown = peer.cvmctl("top", "--json").json
        lines = peer.cvmctl("top").out.splitlines()
    assert [(each["name"], each.get("stats", {}).get("id")) for each in shown] == [
        ("db", "2"), ("new", None), ("web", "1")]
    assert lines[3].split()[4:] == ["-", "1.5K", "-", "note,", "1", "min", "ago"]
    assert lines[2].split()[-4:] == ["-"] * 4
