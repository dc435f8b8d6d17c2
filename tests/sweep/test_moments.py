# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed at each fail point of a launch, a stop, a removal and a start, and started
again: each CVM runs and obeys, has failed, or is gone with all that it had. What a caller was told
holds."""
import collections
import itertools
import os
import signal
import subprocess

import pytest

from harness import fates, ports, processes
from harness.history import History
from harness.processes import SLOWNESS, eventually
from harness.varlink import ConnectionClosed, VarlinkError

GONE = (ConnectionClosed, ConnectionRefusedError, ConnectionResetError, FileNotFoundError,
        BrokenPipeError)
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
PORTS = ports.block(3)
FORWARDS = [{"guestPort": 80 + number, "hostPort": port} for number, port in enumerate(PORTS)]
RICH = {"env": {"TOKEN": "secret"}, "certs": {"key.pem": {"text": "secret"}},
        "forwards": FORWARDS}
TAP = f"cvmsweep{WORKER}"
# Which of the moments come, from 0, of every how many: another run has those between.
FIRST, STEP = map(int, os.environ.get("SWEEP_PART", "0/1").split("/"))


class Story:
    """What is done to a CVM called web. prepare() comes before the daemon may die; what play()
    hands out is the state that the caller was told last."""

    def __init__(self, title, fields=None, before=None, wait=None, paused=None, then=()):
        self.title = title
        self.fields = fields or {}
        self.before = before  # the steps of prepare(), None: there is no such CVM before
        self.wait, self.paused = wait, paused
        self.then = then
        self.mortal = then == [wait_end]
        self.removed = self.fields.get("remove") == "ended"

    def prepare(self, daemon):
        if self.before is not None:
            daemon.launch("web", wait=self.wait, paused=self.paused, **self.given(daemon))
            for step in self.before:
                step(daemon)

    def given(self, daemon):
        fields = dict(self.fields)
        if fields.pop("share", False):
            path = daemon.directory / "shared"
            path.mkdir(exist_ok=True)
            fields["shares"] = [{"tag": "data", "path": str(path)}]
        return fields

    def play(self, daemon):
        if self.before is None:
            yield daemon.launch("web", wait=self.wait, paused=self.paused,
                                **self.given(daemon))["state"]
        for step in self.then:
            yield step(daemon)


def stop(daemon):
    return daemon.stop("web")["state"]


def force(daemon):
    return daemon.stop("web", force=True)["state"]


def restart(daemon):
    return daemon.call("Restart", name="web")["cvm"]["state"]


def remove(daemon):
    daemon.call("Remove", name="web")
    return None


def pause(daemon):
    return daemon.call("Pause", name="web")["cvm"]["state"]


def resume(daemon):
    return daemon.call("Resume", name="web")["cvm"]["state"]


def wait_end(daemon):
    return daemon.wait_state("web", "restarting", "stopped", "failed")["state"]


def launch_again(daemon):
    return daemon.launch("web", **RICH)["state"]


def wait_console(daemon):
    def enough():
        return len(daemon.call("Logs", name="web")["data"]) > 40000
    eventually(enough, "console output")
    return "running"


def die(daemon):
    """QEMU's death; the daemon need not have seen it."""
    pid = daemon.status("web")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: processes.has_ended(pid), "QEMU's end")
    return "restarting"


def wait_again(daemon):
    before = daemon.wait_state("web", "restarting")
    return daemon.wait_state("web", "running", seconds=before["restarts"] + 5)["state"]


STORIES = [
    Story("launch"),
    Story("launch with shares and ports", {**RICH, "share": True}),
    Story("launch until ready", RICH, wait="ready"),
    Story("launch held, then resumed", paused=True, then=[resume]),
    Story("launch on a tap", {"network": f"tap:{TAP}"}),
    Story("launch that fails", {**RICH, "cmdline": "fake.exit=1"}),
    Story("launch that fails, by one that is removed",
          {**RICH, "cmdline": "fake.exit=1", "remove": "failed-launch"}),
    Story("launch in a stopped one's place", RICH, before=[force], then=[launch_again]),
    Story("a talking guest", {"cmdline": "fake.console-bytes=60000"}, then=[wait_console]),
    Story("pause and resume", before=[], then=[pause, resume]),
    Story("stop", RICH, before=[], then=[stop]),
    Story("stop with a share", {**RICH, "share": True}, before=[], then=[stop]),
    Story("forced stop", RICH, before=[], then=[force]),
    Story("stop while held", RICH, before=[], paused=True, then=[stop]),
    Story("stop without heed to the button", {"cmdline": "fake.ignore-powerdown"}, before=[],
          then=[stop]),
    Story("stop by SIGKILL", {"cmdline": "fake.ignore-quit"}, before=[], then=[force]),
    Story("power-off", {"cmdline": "fake.poweroff-ms=100"}, then=[wait_end]),
    Story("panic", {"cmdline": "fake.panic-ms=100"}, then=[wait_end]),
    Story("end of QEMU", {"cmdline": "fake.die-ms=100"}, then=[wait_end]),
    Story("end of QEMU, to be restarted",
          {**RICH, "cmdline": "fake.die-ms=100", "restart": {"policy": "always"}},
          then=[wait_end]),
    Story("restart", {**RICH, "share": True, "restart": {"policy": "always", "backoffSec": 1}},
          before=[], then=[die, wait_again]),
    Story("restart by request", {**RICH, "share": True}, before=[], then=[restart]),
    Story("stop of a restart", {**RICH, "restart": {"policy": "always"}}, before=[],
          then=[die, stop]),
    Story("remove", RICH, before=[force], then=[remove]),
    Story("removal by itself", {**RICH, "remove": "ended"}, before=[], then=[force]),
    Story("from launch to removal", {**RICH, "share": True}, then=[pause, resume, stop, remove]),
]


def tell(daemon, story, told):
    """Plays the story until it ends or the daemon does; `told` takes what the caller was told."""
    try:
        for state in story.play(daemon):
            told.append(state)
    except GONE:
        pass
    except VarlinkError as problem:
        assert story.title.startswith("launch that fails"), problem
        told.append(None if "removed" in story.title else "kept")


def expected(story, told, fate):
    """What a caller was told holds: what was launched is there, what ended has ended. Of an old CVM
    and the new one in its place one is always there."""
    if story.then == [launch_again] and fate is None:
        return False
    if not told:
        return True
    last = told[-1]
    if last is None:
        return fate is None
    if last == "kept":  # with the reason for which the launch has failed
        return fate == "failed"
    if last in ("stopped", "failed"):
        return fate in (last, None)  # None: it was being removed, or replaced
    return fate is not None


@pytest.fixture
def tap():
    made = subprocess.run(["ip", "tuntap", "add", TAP, "mode", "tap"], check=False,
                          capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no tap can be made here: {made.stderr}")
    yield
    subprocess.run(["ip", "tuntap", "del", TAP, "mode", "tap"], check=True)


@pytest.fixture
def config(config):
    return {**config, "network": {"taps": [TAP], "hostAccess": "allow"},
            "console": {"size": "16K", "files": 2}}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_killed_in(story, cvmd, record_property, request):
    if "tap" in story.title:
        request.getfixturevalue("tap")
    found = collections.Counter()
    history = History(cvmd)
    for number in itertools.count(1 + FIRST, STEP):
        told = []
        story.prepare(cvmd)
        history.begin()
        cvmd.moment.arm(number)
        tell(cvmd, story, told)
        died = cvmd.moment.disarm(cvmd.process)
        if died:
            assert cvmd.process.wait(5 * SLOWNESS) == -9
            cvmd.start()
            history.check()
        else:
            history.watcher.close()
        fate = fates.judge(cvmd, PORTS, story.mortal, story.removed).get("web")
        assert expected(story, told, fate), f"moment {number}: {told}, then {fate}\n{cvmd.log()}"
        if not died:
            break
        found[fate or "gone"] += 1
    record_property(story.title, f"{sum(found.values())} moments: {fates.show(found)}")


def leave_a_fleet(daemon):
    """One CVM of each kind that a daemon can leave behind; returns the calls in work."""
    daemon.launch("runs", **RICH)
    daemon.launch("held", paused=True)
    daemon.launch("ended", cmdline="fake.ignore-powerdown")
    daemon.stop("ended", force=True)
    daemon.launch("leaves", cmdline="fake.ignore-powerdown", env={"A": "b"})
    calls = [daemon.client(), daemon.client()]
    calls[0].send("Stop", {"name": "leaves"})
    daemon.wait_state("leaves", "stopping")
    calls[1].send("Launch", {"spec": daemon.spec("comes", cmdline="fake.no-qmp", env={"A": "b"})})
    daemon.wait_state("comes", "starting")
    daemon.kill()
    return calls


def test_killed_in_its_start(cvmd, record_property):
    found = collections.Counter()
    for number in itertools.count(1 + FIRST, STEP):
        calls = leave_a_fleet(cvmd)
        cvmd.moment.arm(number)
        cvmd.spawn()
        eventually(lambda: cvmd.process.poll() is not None or answers(cvmd), "a start or an end")
        died = cvmd.moment.disarm(cvmd.process)
        if died:
            assert cvmd.process.wait(5 * SLOWNESS) == -9
            cvmd.start()
        for call in calls:
            call.close()
        fate = fates.judge(cvmd, PORTS)
        assert fate == {"runs": "running", "held": "paused", "ended": "stopped",
                        "leaves": "stopped", "comes": "failed"}, f"moment {number}\n{cvmd.log()}"
        if not died:
            break
        found["start gone on with"] += 1
    record_property("start", f"{sum(found.values())} moments")


def answers(daemon):
    try:
        return daemon.answers()
    except (AssertionError, *GONE):
        return None
