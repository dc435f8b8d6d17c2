# SPDX-License-Identifier: Apache-2.0
"""A Debian that systemd has booted, with the project installed and fake-qemu as its QEMU."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from harness import artifacts
from harness.processes import children, command, eventually, state

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]
BOOT_SECONDS = 420  # the first time all is compiled
CONFIG = {
    "accelerator": "tcg",
    "qemu": {"default": "/usr/libexec/fake-qemu"},
    "timeouts": {"startSec": 10, "readySec": 10, "powerdownSec": 5, "quitSec": 5},
}


class Machine:
    """Commands in the machine, each entered from outside, and what systemd says there."""

    def __init__(self, leader):
        self.leader = leader

    def run(self, *command, check=True, timeout=60, **options):
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        if "input" in options:
            del options["stdin"]
        done = subprocess.run(
            ["nsenter", "-a", "-t", str(self.leader), "env", "-i", "LC_ALL=C.UTF-8", "HOME=/root",
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
            errors="replace", check=False, cwd="/", **options)
        assert not check or done.returncode == 0, (
            f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}\n"
            f"{self.journal()}")
        return done

    def journal(self, lines=60):
        return self.run("journalctl", "--no-pager", "-n", lines, check=False).stdout

    def systemctl(self, *args, **options):
        return self.run("systemctl", "--no-pager", *args, **options).stdout.strip()

    def show(self, unit, *properties):
        """The unit's properties as a dictionary; of one, its value."""
        text = self.systemctl("show", unit, "-p", ",".join(properties))
        found = dict(line.split("=", 1) for line in text.splitlines())
        return found[properties[0]] if len(properties) == 1 else found

    def wait(self, unit, active, seconds=20):
        eventually(lambda: self.show(unit, "ActiveState") == active,
                   lambda: f"{unit} is {active}\n{self.systemctl('status', unit, check=False)}\n"
                           f"{self.journal()}", seconds, 0.1)

    def cvmctl(self, *args, **options):
        return self.run("cvmctl", *args, **options)

    def status(self, name):
        return json.loads(self.cvmctl("status", name, "--json").stdout)

    def write(self, path, text):
        self.run("mkdir", "-p", pathlib.PurePath(path).parent)
        self.run("tee", path, input=text)

    def configure(self, **changes):
        """cvmd.conf with these changes to the lane's; the daemon is started anew."""
        self.write("/etc/cvmd/cvmd.conf", json.dumps({**CONFIG, **changes}))
        self.systemctl("restart", "cvmd.service")

    def drop_in(self, unit, text):
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.systemctl("daemon-reload")


def leader_of(boot):
    """The machine's PID 1: systemd below nspawn below the script below unshare."""
    found = [boot.pid]
    for _ in range(3):
        found = [child for parent in found for child in children(parent)]
    return next((pid for pid in found if command(pid).endswith("systemd")), None)


def boot_machine(root, build, guest, log):
    boot = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
         "--mount-proc", HERE / "boot", root, TOP, build, guest,
         f"cvmd-lane-{os.getpid()}-{pathlib.Path(root).name[:3]}"],
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def text():
        log.seek(0)
        return log.read().decode(errors="replace")[-4000:]

    try:
        end = time.monotonic() + BOOT_SECONDS
        while not (leader := leader_of(boot)):
            assert boot.poll() is None, f"boot ended with status {boot.returncode}\n{text()}"
            assert time.monotonic() < end, f"not booted\n{text()}"
            time.sleep(0.2)
        machine = Machine(leader)
        eventually(lambda: machine.run("systemctl", "is-system-running", check=False)
                   .stdout.strip() in ("running", "degraded"), text, 60, 0.3)
        machine.systemctl("start", "cvmd.socket")
        return boot, machine
    except BaseException:
        end_machine(boot, leader_of(boot))
        raise


def end_machine(boot, leader):
    """Power off (SIGRTMIN+4 for a systemd), or the hard way; nothing of it is left."""
    if leader and boot.poll() is None:
        os.kill(leader, signal.SIGRTMIN + 4)
        try:
            boot.wait(40)
        except subprocess.TimeoutExpired:
            os.kill(leader, signal.SIGKILL)  # PID 1 takes its namespace with it
    elif boot.poll() is None:
        boot.terminate()  # and with it all below
    try:
        boot.wait(20)
    except subprocess.TimeoutExpired:
        boot.kill()
        boot.wait()
    assert not leader or state(leader) in (None, "Z"), "the machine still runs"


@contextlib.contextmanager
def boot_root(variable):
    root = os.environ.get(variable)
    if not root:
        pytest.skip(f"{variable} is not set; scripts/test --lane systemd makes one")
    with tempfile.TemporaryDirectory(prefix="cvmd-") as directory, \
            tempfile.TemporaryFile() as log:
        guest = pathlib.Path(directory)
        artifacts.kernel(guest / "bzImage")
        artifacts.initramfs(guest / "initramfs")
        for name in ("bzImage", "initramfs.cpio.gz"):
            if real := os.environ.get("GUEST_PLAIN"):
                shutil.copy(pathlib.Path(real) / name, guest / f"real-{name}")
        (guest / "cvmd.conf").write_text(json.dumps(CONFIG))
        build = pathlib.Path(os.environ["SYSTEMD_BUILD"])
        build.mkdir(exist_ok=True)
        boot, machine = boot_machine(root, build, guest, log)
        try:
            yield machine
        finally:
            end_machine(boot, machine.leader)


@pytest.fixture(scope="session")
def booted():
    with boot_root("SYSTEMD_ROOT") as machine:
        yield machine


@pytest.fixture(scope="session")
def booted_newest(booted):
    """Beside the other: what was built there is installed here."""
    with boot_root("SYSTEMD_NEWEST_ROOT") as machine:
        yield machine


@pytest.fixture
def machine(booted):
    """The machine with no CVM, no drop-in and no failed unit of a test before."""
    yield booted
    clear(booted)


@pytest.fixture
def newest(booted_newest):
    """The same under the systemd of Debian unstable."""
    yield booted_newest
    clear(booted_newest)


def clear(booted):
    booted.systemctl("stop", "cvm@*.service", "cvms.target", check=False)
    for cvm in json.loads(booted.cvmctl("list", "--json").stdout):
        booted.cvmctl("stop", "--force", cvm["name"])
        booted.cvmctl("remove", cvm["name"])
    booted.run("sh", "-c", "rm -rf /etc/systemd/system/cvm*.d /etc/cvmd/cvms/*")
    booted.systemctl("daemon-reload")
    booted.systemctl("reset-failed", check=False)
    left = booted.run("pgrep", "-x", "fake-qemu", check=False).stdout.split()
    assert not left, f"QEMU processes left: {left}"


def pytest_collection_modifyitems(items):
    if not shutil.which("systemd-nspawn"):
        for item in items:
            if "systemd" in pathlib.Path(item.fspath).parts:
                item.add_marker(pytest.mark.skip(reason="systemd-nspawn is not installed"))
