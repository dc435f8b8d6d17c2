# SPDX-License-Identifier: Apache-2.0
"""The resource agent ocf:cvmd:cvm, driven as Pacemaker does, by a daemon with fake-qemu."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree

import pytest

from harness.daemon import CVMCTL, TOP
from harness.processes import SLOWNESS, eventually

OCF = pathlib.Path(os.environ.get("RESOURCE_AGENTS", "/nonexistent"))
OCF_13 = pathlib.Path(os.environ.get("RESOURCE_AGENTS_13", "/nonexistent"))
XMLLINT = pathlib.Path(os.environ.get("XMLLINT", "/nonexistent"))
AGENT = TOP / "cluster/cvm"
SUCCESS, GENERIC, ARGS, UNIMPLEMENTED, PERM, INSTALLED, CONFIGURED, NOT_RUNNING = range(8)

pytestmark = pytest.mark.skipif(not OCF.exists(),
                                reason="scripts/test --lane cluster fetches the resource agents")


class Agent:
    """The agent for the CVM `web` of one daemon."""

    def __init__(self, daemon, directory):
        self.daemon = daemon
        self.spec = directory / "web.json"
        self.describe()

    def describe(self, **fields):
        spec = self.daemon.spec("web", **fields)
        self.spec.write_text(json.dumps(spec))

    def environment(self, seconds=None, **parameters):
        given = {"spec": self.spec, "socket": self.daemon.socket, "cvmctl": CVMCTL, **parameters}
        limit = {"OCF_RESKEY_CRM_meta_timeout": str(round(seconds * 1000))} if seconds else {}
        return {**os.environ, "OCF_ROOT": str(OCF / "usr/lib/ocf"), "OCF_RESOURCE_INSTANCE": "web",
                "OCF_RESOURCE_TYPE": "cvm", "OCF_RESOURCE_PROVIDER": "cvmd", **limit,
                **{f"OCF_RESKEY_{name}": str(value) for name, value in given.items()}}

    def run(self, action, level=0, **options):
        environment = {**self.environment(**options), "OCF_CHECK_LEVEL": str(level)}
        return subprocess.run([AGENT, action], env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=120 * SLOWNESS)

    def __call__(self, action, **options):
        return self.run(action, **options).returncode


@pytest.fixture
def agent(cvmd, tmp_path):
    return Agent(cvmd, tmp_path)


@pytest.fixture
def public():
    """A directory in which any user can start a program."""
    with tempfile.TemporaryDirectory(prefix="cvmd-") as directory:
        path = pathlib.Path(directory)
        path.chmod(0o755)
        yield path


@pytest.mark.parametrize("debian", [12, 13])
def test_ocf_tester(cvmd, tmp_path, public, debian):
    """Of which the data are not at their place."""
    ocf = {12: OCF, 13: OCF_13}[debian]
    shutil.copytree(ocf / "usr/lib/ocf/lib", public / "lib")
    program = public / "cvm"
    shutil.copy(AGENT, program)
    program.chmod(0o755)
    script = (ocf / "usr/sbin/ocf-tester").read_text()
    tester = tmp_path / "ocf-tester"
    tester.write_text(script.replace("DATADIR=/usr/share", f"DATADIR={ocf}/usr/share"))
    tester.chmod(0o755)
    agent = Agent(cvmd, tmp_path)
    given = ["-o", f"spec={agent.spec}", "-o", f"socket={cvmd.socket}", "-o", f"cvmctl={CVMCTL}"]
    done = subprocess.run(
        [tester, "-n", f"tester-{os.getpid()}", *given, program], stdin=subprocess.DEVNULL,
        text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=300 * SLOWNESS,
        env={**os.environ, "OCF_ROOT": str(public),
             "PATH": f"{os.environ['PATH']}:{XMLLINT}/usr/bin:/usr/sbin"})
    assert done.returncode == 0, done.stdout
    assert "passed all tests" in done.stdout and "* rc=" not in done.stdout


def test_its_limits_are_those_of_the_unit(agent):
    """Of the actions, whose times the cluster takes, and of cvm@.service and the page."""
    actions = {(action.get("name"), action.get("depth")): action.attrib for action in
               xml.etree.ElementTree.fromstring(agent.run("meta-data").stdout).iter("action")}
    unit = (TOP / "units/cvm@.service.in").read_text()
    page = (TOP / "man/cvmd-cluster.7.scd").read_text()
    for action, line in (("start", "TimeoutStartSec"), ("stop", "TimeoutStopSec")):
        minutes = int(re.search(rf"^{line}=(\d+)min$", unit, re.M).group(1))
        assert actions[action, None]["timeout"] == f"{60 * minutes}s"
        assert re.search(rf"op {action} timeout={60 * minutes}s", page)
    assert {depth for name, depth in actions if name == "monitor"} == {"0", "10"}


def test_a_life(agent):
    assert agent("monitor") == NOT_RUNNING
    assert agent("start") == SUCCESS
    assert agent.daemon.status("web")["ready"]
    assert agent("monitor") == agent("monitor", level=10) == SUCCESS
    assert agent("start") == SUCCESS  # there is one, and one stays
    assert len(agent.daemon.cvms()) == 1
    assert agent("stop") == agent("stop") == SUCCESS
    assert agent("monitor") == NOT_RUNNING
    assert agent.daemon.status("web")["state"] == "stopped"  # its logs are there


def test_what_ended_by_itself_is_not_running(agent):
    agent.describe(cmdline="fake.poweroff-ms=50")
    assert agent("start", wait="running") == SUCCESS
    eventually(lambda: agent("monitor") == NOT_RUNNING, "the end is seen")
    assert agent("stop") == SUCCESS


def test_ready_is_the_deeper_level(agent):
    agent.describe(cmdline="fake.no-ready")
    assert agent("start", wait="running") == SUCCESS
    assert agent("monitor") == SUCCESS
    done = agent.run("monitor", level=10)
    assert done.returncode == GENERIC and "has not reported READY" in done.stdout


def test_a_start_ends_before_its_time_is_over(agent):
    """With a reason; what is left is stopped."""
    agent.daemon.launch("other")  # and its files are in memory: the time is READY's
    agent.describe(cmdline="fake.no-ready")
    begun = time.monotonic()
    done = agent.run("start", seconds=12 * SLOWNESS)
    assert done.returncode == GENERIC and "timed out at stage 'ready'" in done.stdout
    assert time.monotonic() - begun < 20 * SLOWNESS
    assert agent("stop") == SUCCESS and agent("monitor") == NOT_RUNNING


def test_a_stop_ends_before_its_time_is_over(agent):
    """Although the guest may take longer: a stop that fails is a fence."""
    agent.describe(cmdline="fake.ignore-powerdown", timeouts={"powerdownSec": 600})
    assert agent("start") == SUCCESS
    done = agent.run("stop", seconds=8)
    assert done.returncode == SUCCESS and "QEMU quits now" in done.stdout
    assert agent.daemon.status("web")["state"] == "stopped"


@pytest.mark.parametrize("fields, status", [
    ({"memory": "1"}, CONFIGURED), ({"kernel": {"path": "/nothing"}}, INSTALLED),
    ({"cmdline": "fake.exit=1"}, GENERIC), ({"platform": "sev-snp"}, INSTALLED),
])
def test_a_start_that_fails(agent, fields, status):
    agent.describe(**fields)
    done = agent.run("start")
    assert done.returncode == status and done.stdout.strip()
    assert agent("stop") == SUCCESS


def test_an_interface_that_is_used_wrongly(agent):
    assert agent("promote") == UNIMPLEMENTED
    assert subprocess.run([AGENT], env=agent.environment(), check=False,
                          stderr=subprocess.DEVNULL).returncode == ARGS
    for parameters, status in (({"wait": "never"}, CONFIGURED), ({"spec": "/nothing"}, INSTALLED),
                               ({"cvmctl": "/nothing"}, INSTALLED)):
        for action in ("start", "validate-all"):
            done = agent.run(action, **parameters)
            assert done.returncode == status and done.stdout.strip(), (action, parameters)


def test_without_cvmctl(agent):
    """Its QEMU says that there is a CVM, which the cluster must not start elsewhere."""
    name = f"lone-{os.getpid()}"  # of which no other test has one
    assert agent("stop", cvmctl="/nothing", name=name) == SUCCESS
    assert agent("monitor", cvmctl="/nothing", name=name) == INSTALLED
    assert agent("start", name=name) == SUCCESS
    assert agent("stop", cvmctl="/nothing", name=name) == GENERIC
    assert agent("monitor", cvmctl="/nothing", name=name) == GENERIC
    assert agent("stop", name=name) == SUCCESS


def test_a_spec_that_the_daemon_refuses_is_found_before(agent):
    assert agent("validate-all", level=10) == SUCCESS
    agent.describe(memory="1")
    assert agent("validate-all") == SUCCESS
    done = agent.run("validate-all", level=10)
    assert done.returncode == CONFIGURED and "memory" in done.stdout


def test_a_daemon_that_is_restarted_is_waited_for(agent):
    assert agent("start") == SUCCESS
    pid = agent.daemon.status("web")["pid"]
    agent.daemon.kill()
    with background(agent, "monitor") as monitor:
        time.sleep(2)
        assert monitor.poll() is None
        agent.daemon.start()
        assert monitor.wait(60 * SLOWNESS) == SUCCESS
    assert agent.daemon.status("web")["pid"] == pid


def test_without_a_daemon_nothing_is_said_to_have_stopped(agent):
    """It may run: the cluster fences the node before it starts the CVM elsewhere."""
    assert agent("start") == SUCCESS
    agent.daemon.kill()
    for seconds in (4, 12):
        assert agent("stop", seconds=seconds) == agent("monitor", seconds=seconds) == GENERIC
    agent.daemon.start()
    assert agent("monitor") == agent("stop") == SUCCESS


def test_a_daemon_that_hangs_is_not_waited_for_without_end(agent):
    assert agent("start") == SUCCESS
    os.kill(agent.daemon.process.pid, signal.SIGSTOP)
    try:
        for action in ("monitor", "stop"):
            begun = time.monotonic()
            done = agent.run(action, seconds=8)
            assert done.returncode == GENERIC and "no answer from cvmd" in done.stdout
            assert time.monotonic() - begun < 30 * SLOWNESS
    finally:
        os.kill(agent.daemon.process.pid, signal.SIGCONT)
    assert agent("monitor") == SUCCESS


def test_a_stop_waits_for_a_daemon_that_is_restarted(agent):
    assert agent("start") == SUCCESS
    agent.daemon.kill()
    with background(agent, "stop") as stop:
        time.sleep(7)
        assert stop.poll() is None
        agent.daemon.start()
        assert stop.wait(60 * SLOWNESS) == SUCCESS
    assert agent.daemon.status("web")["state"] == "stopped"


@contextlib.contextmanager
def background(agent, action):
    with subprocess.Popen([AGENT, action], env=agent.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
