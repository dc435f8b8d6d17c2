# SPDX-License-Identifier: Apache-2.0
"""A daemon of root's that Ann attacks while Bob uses it; once she has gone, it is as it was."""
import contextlib
import os
import pathlib
import pickle
import re
import select
import shutil
import sys
import tempfile
import time

import pytest

from harness import processes
from harness.actors import Actor, groups_of
from harness.daemon import TOP, Daemon
from harness.users import ADMINS, ANN, BOB, USERS, reachable
from hostile import fuse
from hostile.other import other_user

sys.path.insert(0, str(TOP / "tests/lanes"))
import calibration  # noqa: E402

SECONDS = 1.5  # that an attack lasts, at least
P99_SECONDS = 0.5
GROWTH_KIB = 16 << 10
WINDOW_SECONDS = 0.2
LOOK_SECONDS = 15
LIMITS = {"artifactBytesPerUid": "256M", "secretBytesPerUid": "16M"}


def looked(function):
    """What function() gives, in a process that may hang, as /proc of what hangs does."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(function(), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert select.select([pipe], [], [], LOOK_SECONDS)[0], "/proc of a process hangs"
        data = pipe.read()
    os.waitpid(pid, 0)
    return pickle.loads(data)


def threads_in_state_d():
    """Of all that this lane has started: it has a process namespace of its own."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/task/*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        if rest.split()[0] == "D":
            found.append(f"{name})")
    return found


def idle_factor():
    """How slow the machine is, by what others take of it while all that is here waits."""
    before = calibration.moment()
    time.sleep(WINDOW_SECONDS)
    return calibration.factor(before, calibration.moment())


class Scene:
    """The daemon under attack, and what it was before."""

    def __init__(self, config):
        self.daemon = reachable(Daemon(config).start())
        self.kernel, self.initramfs = self.daemon.kernel, self.daemon.initramfs
        self.before = None
        self.warm_up()
        self.factor = idle_factor()

    def warm_up(self):
        """Until its threads, its ring of events and its allocator have the size that they need."""
        bob = Actor(BOB, groups_of(BOB), other_user, self.daemon)
        bob.hear(60)
        time.sleep(2)
        bob.stop()
        bob.hear(60)
        assert bob.end()
        self.daemon.before = self.daemon.settled()
        self.before = looked(self.measured)

    def measured(self):
        pid = self.daemon.process.pid
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return {"holdings": self.daemon.holdings(), "stuck": threads_in_state_d(),
                "threads": int(re.search(r"^Threads:\s+(\d+)", status, re.M)[1]),
                "kib": int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1])}

    def differences(self):
        now, before = looked(self.measured), self.before
        found = [f"in state D: {name}" for name in now["stuck"]]
        if now["threads"] > before["threads"]:
            found.append(f"{before['threads']} threads before, {now['threads']} after")
        if now["kib"] > before["kib"] + GROWTH_KIB:
            found.append(f"{before['kib']} KiB before, {now['kib']} KiB after")
        if now["holdings"] != self.daemon.before:
            found += looked(self.daemon.differences)
        return found

    def discard_all(self):
        """By root; what is still being undone goes by itself."""
        for cvm in self.daemon.cvms():
            try:
                self.daemon.discard(cvm["name"])
            except Exception as problem:
                if getattr(problem, "name", "") != "NoSuchCvm":
                    raise

    def assert_as_before(self):
        processes.eventually(lambda: self.discard_all() or not self.daemon.cvms(), "no CVM is left",
                             seconds=20)
        end = time.monotonic() + 15
        while found := self.differences():
            if time.monotonic() > end:
                raise AssertionError(f"after the attack: {found}\n{self.daemon.log()}")
            time.sleep(0.1)


class Attacked:
    """attacked(function, ...): Ann runs it, with a Link, the scene and a directory of hers, while
    Bob goes on. Returns what she says of it in the end."""

    def __init__(self, scene, record):
        self.scene, self.record = scene, record
        self.servers = contextlib.ExitStack()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cvmd-ann-", dir="/tmp"))
        os.chown(self.directory, ANN, ANN)
        self.directory.chmod(0o755)

    def mounted(self, silent):
        """The path of a file of hers whose server goes when she does."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="mounted-", dir=self.directory))
        directory.chmod(0o755)
        return self.servers.enter_context(fuse.mounted(directory, ANN, silent))

    def __call__(self, function, *arguments, uid=ANN):
        daemon = self.scene.daemon
        arguments = arguments or (self.directory,)
        bob = Actor(BOB, groups_of(BOB), other_user, daemon)
        ann = None
        try:
            bob.hear(60)
            begin = time.monotonic()
            ann = Actor(uid, groups_of(uid), function, daemon, *arguments)
            done = ann.hear(60)
            time.sleep(max(0.0, SECONDS - (time.monotonic() - begin)))
            end = time.monotonic()
            bob.stop()
            said = bob.hear(120)
        finally:
            ended = [actor.end() for actor in (bob, ann) if actor]
            self.servers.close()
        assert all(ended), "the attacker cannot be ended"
        self.scene.assert_as_before()
        self.judge(function.__name__, said, begin, end)
        return done

    def judge(self, name, said, begin, end):
        before, self.scene.factor = self.scene.factor, idle_factor()
        factor = max(1.0, (before + self.scene.factor) / 2)
        times = sorted(took for _, at, took in said["times"] if begin <= at + took and at <= end)
        assert times and not said["problems"], said["problems"]
        p99 = times[min(len(times) * 99 // 100, len(times) - 1)]
        self.record("hostile", f"{name}: p99 of {len(times)} calls {1000 * p99:.0f} ms, worst "
                               f"{1000 * times[-1]:.0f} ms (machine {factor:.2f})")
        assert p99 <= P99_SECONDS * factor, f"p99 {p99:.3f} s, of {P99_SECONDS} s × {factor:.2f}"


@pytest.fixture(scope="session", autouse=True)
def inside():
    if fuse.VARIABLE not in os.environ:
        pytest.skip("to be started by tests/hostile/enter, which sees that nothing is left hanging")
    fuse.make_node()


@pytest.fixture(scope="session")
def scenes(inside):
    """One, whose daemon all attacks meet; another after a test that has failed."""
    found = []
    yield found
    for scene in found:
        scene.daemon.finish()


@pytest.fixture
def scene(scenes, config):
    if not scenes:
        # The network is this lane's own, and so are its nftables.
        scenes.append(Scene({**config, "groups": {"users": USERS, "admins": ADMINS},
                             "limits": LIMITS, "network": {"hostAccess": "deny"}}))
    return scenes[0]


@pytest.fixture
def attacked(scene, record_property):
    attack = Attacked(scene, record_property)
    yield attack
    attack.servers.close()
    shutil.rmtree(attack.directory, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What a test has spoilt is no other's."""
    outcome = yield
    scenes = getattr(item, "funcargs", {}).get("scenes")
    if call.when == "call" and outcome.get_result().failed and scenes:
        daemon = scenes.pop().daemon
        daemon.end_strays()
        shutil.rmtree(daemon.directory, ignore_errors=True)
