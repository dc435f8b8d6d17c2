# SPDX-License-Identifier: Apache-2.0
"""Timeline and cvmctl timeline: how long each step of a launch took, and what the guest said."""
import json
import pathlib
import re

import pytest

from harness import libvirt, xml
from harness.peer import Peer
from harness.screens import on_terminal
from harness.varlink import VarlinkError

TOP = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = TOP / "tests/golden"
STEPS = ["admitted", "artifacts", "turn", "rendered", "network", "shares", "companions",
         "hypervisor", "scope", "recorded", "created", "resumed"]


def timeline(daemon, name="web"):
    return daemon.call("Timeline", name=name)


def names(reply):
    return [stage["name"] for stage in reply["stages"]]


def steps_to(last, reply):
    """The steps up to this one; a CVM need not have companions, nor the host systemd."""
    steps = STEPS[:STEPS.index(last) + 1]
    return [step for step in steps if step in names(reply) or step not in ("companions", "scope")]


def test_of_a_launch(cvmd):
    cvmd.launch("web", wait="ready", cmdline="fake.ready-ms=200 fake.uptime=150000")
    reply = timeline(cvmd)
    stages, cvm = reply["stages"], reply["cvm"]
    assert {**cvm, "pid": 0} == {**cvmd.status("web"), "pid": 0}  # libvirt may report it later
    assert reply["guestUptimeUsec"] == 150000
    assert names(reply) == steps_to("resumed", reply)
    assert not any("failed" in stage for stage in stages)
    for stage, following in zip(stages, stages[1:]):
        assert 0 <= stage["durationUsec"] < 60_000_000
        # by two clocks, and each time is cut to a microsecond
        assert stage["at"] + stage["durationUsec"] <= following["at"] + 5000
    last = stages[-1]
    assert stages[0]["at"] <= cvm["createdAt"] <= stages[1]["at"]
    assert last["at"] + last["durationUsec"] <= cvm["startedAt"] + 5000 <= cvm["readyAt"] + 5000


def test_it_survives_the_daemon(cvmd):
    cvmd.launch("web", wait="ready", cmdline="fake.ready-ms=200 fake.uptime=150000")
    before = timeline(cvmd)
    cvmd.kill()
    cvmd.start()
    assert timeline(cvmd) == before
    cvmd.stop("web", force=True)
    ended = timeline(cvmd)
    assert ended["cvm"]["state"] == "stopped"
    assert {**ended, "cvm": None} == {**before, "cvm": None}


@pytest.mark.parametrize("claim", [
    "", "0", "-5", "1e3", "0x10", "9223372036854775808", "99999999999999999999999",
    "3600000000",  # longer than it has run
])
def test_what_a_guest_claims_is_plausible_or_ignored(cvmd, claim):
    cvmd.launch("web", wait="ready", cmdline=f"fake.ready-ms=100 fake.uptime={claim}")
    assert "guestUptimeUsec" not in timeline(cvmd)
    assert "kernel" not in cvmd.cvmctl("timeline", "web").stdout


def test_after_ready_nothing_changes(cvmd):
    """A later line of the guest's, as of an agent that was started again, is not about its boot."""
    cvmd.launch("web", wait="ready", cmdline="fake.ready-ms=100")
    assert "guestUptimeUsec" not in timeline(cvmd)
    lines = cvmd.cvmctl("timeline", "web").stdout.splitlines()
    assert lines[-2].startswith("guest ") and lines[-1].startswith("READY ")


def test_a_launch_that_fails_shows_where(cvmd):
    with pytest.raises(VarlinkError):
        cvmd.launch("web", cmdline="fake.no-qmp", timeouts={"startSec": 1})
    reply = timeline(cvmd)
    if libvirt.USED:
        assert reply["stages"][-1]["failed"]
        return
    assert names(reply) == steps_to("created", reply)
    assert [stage["name"] for stage in reply["stages"] if stage.get("failed")] == ["created"]
    assert 900_000 < reply["stages"][-1]["durationUsec"] < 60_000_000
    lines = cvmd.cvmctl("timeline", "web").stdout.splitlines()
    assert lines[0].startswith("web: the launch failed at 'created' after ")
    assert lines[-1].split()[0] == "created" and lines[-1].endswith(" failed")
    cvmd.kill()
    cvmd.start()
    assert timeline(cvmd) == reply


def test_a_guest_that_is_never_ready(cvmd):
    with pytest.raises(VarlinkError):
        cvmd.launch("web", wait="ready", cmdline="fake.no-ready", timeouts={"readySec": 1})
    reply = timeline(cvmd)
    assert names(reply) == steps_to("resumed", reply)
    assert not any("failed" in stage for stage in reply["stages"])
    lines = cvmd.cvmctl("timeline", "web").stdout.splitlines()
    assert lines[0].startswith("web: not ready when it ended after ")
    assert lines[0].endswith(": launch-failed") and lines[-1].split()[0] == "guest"


def test_in_progress_and_paused(cvmd):
    cvmd.launch("web", paused=True)
    assert names(timeline(cvmd)) == steps_to("created", timeline(cvmd))
    assert "web: paused, not ready after " in cvmd.cvmctl("timeline", "web").stdout
    cvmd.launch("slow", cmdline="fake.no-ready")
    last = cvmd.cvmctl("timeline", "slow").stdout.splitlines()[-1]
    assert last.startswith("guest ") and last.endswith(" in progress")


@pytest.mark.qemu_driver("the libvirt driver has no port of its own for this")
def test_a_launch_in_progress(cvmd):
    with cvmd.client() as client:
        client.send("Launch", {"spec": cvmd.spec("web", cmdline="fake.no-qmp",
                                                 timeouts={"startSec": 5})}, more=True)
        cvmd.wait_state("web", "starting")

        def created():
            stage = timeline(cvmd)["stages"][-1]
            return stage if stage["name"] == "created" else None
        stage = next(found for found in iter(created, 0) if found)
        assert "durationUsec" not in stage and "failed" not in stage
        assert cvmd.cvmctl("timeline", "web").stdout.splitlines()[-1].endswith(" in progress")


def test_a_restart_has_a_timeline_of_its_own(cvmd):
    cvmd.launch("web", wait="ready", cmdline="fake.ready-ms=50 fake.uptime=30000")
    before = timeline(cvmd)
    cvmd.call("Restart", name="web")
    cvmd.wait_ready("web")
    after = timeline(cvmd)
    assert names(after)[0] == "admitted" and names(after)[-1] == "resumed"
    assert after["stages"][0]["at"] > before["cvm"]["readyAt"]
    assert len(after["stages"]) <= len(STEPS) and after["guestUptimeUsec"] == 30000


START = 1_790_000_000_000_000
TOOK = dict(zip(STEPS, [1200, 84000, 40, 4100, 300, 2000, 31000, 9000, 14000, 6000, 310000, 1500]))


def reply(name="web", steps=TOOK, failed=None, uptime=1_500_000, **cvm):
    stages, at = [], START
    for step, took in steps.items():
        stages.append({"name": step, "at": at, "durationUsec": took})
        at += took + 60
    if failed:
        stages[-1]["failed"] = True
        cvm = {"state": "failed", "ending": {"reason": "launch-failed", "at": at}, **cvm}
    else:
        cvm = {"state": "running", "startedAt": START + 464_200,
               "readyAt": START + 2_411_000, **cvm}
    cvm = {"name": name, "platform": "sev-snp", "cpus": 2, "memory": 2 << 30,
           "createdAt": START + 200, **cvm}
    return {"cvm": cvm, "stages": stages, **({"guestUptimeUsec": uptime} if uptime else {})}


REPLIES = {
    "ready": reply(),
    "failed": reply(failed=True, uptime=None,
                    steps={**dict(list(TOOK.items())[:10]), "created": 30_000_000}),
}


@pytest.mark.qemu_driver("it launches nothing")
@pytest.mark.parametrize("case", REPLIES)
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_screens(case, columns):
    with Peer(Timeline=REPLIES[case]) as peer:
        args = ("--socket", peer.path, "timeline", "web")
        lines = on_terminal(columns, *args)
        assert lines == (GOLDEN / f"timeline-{case}-{columns}.txt").read_text().splitlines()
        ascii_only = on_terminal(columns, *args, environment={"LC_ALL": "C"})
        assert "".join(ascii_only).isascii() and len(ascii_only) == len(lines)
        for line in lines + ascii_only:
            assert len(line) <= columns and "\x1b" not in line
        coloured = on_terminal(columns, *args, environment={"NO_COLOR": ""})
        red = [line for line in coloured if "\x1b[31m" in line]
        assert len(red) == (case == "failed") and all("created" in line for line in red)


@pytest.mark.qemu_driver("it launches nothing")
def test_a_pipe_gets_plain_text():
    with Peer(Timeline=REPLIES["ready"]) as peer:
        out = peer.cvmctl("timeline", "web").out
        assert out == (GOLDEN / "timeline-ready-piped.txt").read_text()
        assert peer.cvmctl("timeline", "web", "--json").json == REPLIES["ready"]


@pytest.mark.qemu_driver("it launches nothing")
def test_the_drawing(tmp_path):
    file = tmp_path / "web.svg"
    with Peer(Timeline=REPLIES["ready"]) as peer:
        done = peer.cvmctl("timeline", "web", "--svg", file)
        assert (done.code, done.out, done.err) == (0, "", "")
        shown = peer.cvmctl("timeline", "web", "--svg", "-")
        assert shown.raw == file.read_bytes()
        text = xml.texts(shown.raw)
        for word in [*STEPS, "firmware", "kernel, init", "READY", "ready after 2.41 s", "1.5 s"]:
            assert word in text
        refused = peer.cvmctl("timeline", "web", "--svg", tmp_path / "none" / "web.svg")
        assert refused.code == 66 and "none/web.svg" in refused.err


@pytest.mark.qemu_driver("it launches nothing")
def test_the_drawing_in_the_readme():
    """It is one of this program; if the drawing changes, a new one is drawn from a real boot."""
    drawn = (TOP / "doc/timeline.svg").read_bytes()
    assert b"](doc/timeline.svg)" in (TOP / "README.md").read_bytes()
    assert "firmware" in xml.texts(drawn)
    with Peer(Timeline=REPLIES["ready"]) as peer:
        now = peer.cvmctl("timeline", "web", "--svg", "-").raw
    style = re.compile(rb"<style>.*</style>")
    assert style.search(drawn).group() == style.search(now).group()


HOSTILE = [
    reply(steps={'<script>"&\'</x': 5, "\x1b[2J\x01\u202e": 7, "\ufffe\uffff": 3, "é" * 40: 9}),
    reply(platform="<!ENTITY x '&'>\x1b]0;", name="</title><a>"),
    reply(steps={"a": -(1 << 63), "b": (1 << 63) - 1, "c": -1}, startedAt=-(1 << 63) + 1,
          readyAt=(1 << 63) - 1, uptime=(1 << 63) - 1),
    reply(startedAt=START, readyAt=(1 << 63) - 1, uptime=-(1 << 63)),
    {"cvm": {}, "stages": []},
    {"cvm": {"createdAt": -(1 << 63), "startedAt": (1 << 63) - 1, "ending": 7}, "stages": []},
    {"cvm": {"ending": {"at": (1 << 63) - 1}}, "stages": [None, 5, {}, {"name": 3, "at": "x"}]},
    {"cvm": {}, "stages": [{"name": f"s{i}", "at": START + i} for i in range(3000)]},
]


@pytest.mark.qemu_driver("it launches nothing")
@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
def test_a_strange_reply_is_drawn_safely(answer):
    def script(_call, connection):
        text = json.dumps({"parameters": answer})
        connection.send_raw(text.encode(errors="surrogatepass") + b"\0")
    with Peer(Timeline=script) as peer:
        done = peer.cvmctl("timeline", "web")
        assert done.code == 0 and done.out.count("\n") < 140 and "\x1b" not in done.out
        lines = on_terminal(60, "--socket", peer.path, "timeline", "web")
        assert all(len(line) <= 61 for line in lines[3:]) and "\x1b" not in "".join(lines)
        drawing = peer.cvmctl("timeline", "web", "--svg", "-")
        assert drawing.code == 0 and "web" in xml.texts(drawing.raw) + "web"


@pytest.mark.qemu_driver("it launches nothing")
def test_one_that_an_older_cvmd_launched():
    with Peer(Timeline={**reply(steps={}, uptime=None), "stages": []}) as peer:
        lines = peer.cvmctl("timeline", "web").out.splitlines()
        assert [line.split()[0] for line in lines[3:]] == ["launch", "guest", "READY"]
