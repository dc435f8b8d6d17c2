# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around a daemon: disks, descriptors, processes that hang. CVMs that run go on,
what is refused is refused with the reason, and once the fault is over nothing is left of it."""
import errno
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

import pytest

from harness import libvirt, processes
from harness.mounts import SmallDisk
from harness.processes import SLOWNESS, eventually
from harness.varlink import VarlinkError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
QMP = pytest.mark.qemu_driver("it is libvirtd that QEMU talks to")
KIB = 1024
SECRETS = {"env": {"TOKEN": "topsecret"}, "certs": {"key.pem": {"text": "topsecret"}}}


@pytest.fixture
def disks():
    """Outlives the daemon of a test."""
    found = []
    yield found
    for disk in found:
        disk.unmount()
        shutil.rmtree(disk.path.parent, ignore_errors=True)


@pytest.fixture(params=["state", "runtime"])
def disk(request, disks, make_daemon, config):
    """(daemon, the file system of one of its directories)"""
    daemon = make_daemon(config, start=False)
    disks.append(SmallDisk(getattr(daemon, request.param), 512))
    return daemon.start(), disks[0]


def refused(daemon, name="two", **fields):
    with pytest.raises(VarlinkError) as refusal:
        daemon.launch(name, **fields)
    assert refusal.value.name == "SystemError", refusal.value
    return f"{refusal.value.fields['operation']}: {refusal.value.fields['reason']}"


@pytest.mark.parametrize("fault, says", [("full", errno.ENOSPC), ("read-only", errno.EROFS)])
def test_a_disk(disk, fault, says):
    daemon, small = disk
    daemon.launch("web", wait="ready", **SECRETS)
    daemon.launch("goes", **SECRETS)
    if fault == "full":
        small.fill()
    else:  # a daemon that has neither a log nor its events open for writing
        daemon.kill()
        daemon.start()
        small.fill()
        for _ in range(40):  # events, until the last page of their file is full
            daemon.call("Pause", name="web")
            daemon.call("Resume", name="web")
        small.empty()
        small.read_only(True)
    refusal = refused(daemon, **SECRETS)
    assert f" {small.path}/" in refusal and refusal.endswith(f": {os.strerror(says)}"), refusal
    assert [cvm["name"] for cvm in daemon.cvms()] == ["goes", "web"]
    assert daemon.call("Pause", name="web")["cvm"]["state"] == "paused"
    assert daemon.call("Resume", name="web")["cvm"]["state"] == "running"
    assert daemon.stop("goes", force=True)["state"] == "stopped"
    small.empty() if fault == "full" else small.read_only(False)
    daemon.launch("two")
    # what could not be removed goes with the next start
    pids = [daemon.status(name)["pid"] for name in ("web", "two")]
    daemon.kill()
    daemon.start()
    assert [daemon.status(name).get("pid") for name in ("web", "two")] == pids
    assert not [path for path in daemon.runtime.rglob("*")
                if path.is_file() and b"topsecret" in path.read_bytes()
                and daemon.status("web")["id"] not in str(path)]


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_start_on_such_a_disk(disk, fault):
    """It starts, or says what is wrong and leaves the CVMs alone for the next one."""
    daemon, small = disk
    pid = daemon.launch("web", wait="ready", **SECRETS)["pid"]
    daemon.kill()
    small.fill() if fault == "full" else small.read_only(True)
    daemon.spawn()

    def outcome():
        if daemon.process.poll() is not None:
            return "ended"
        try:
            return daemon.status("web")
        except (FileNotFoundError, ConnectionRefusedError):
            return None
    found = eventually(outcome, daemon.log)
    if found == "ended":
        assert daemon.process.returncode > 0 and "Traceback" not in daemon.log()
        assert "No space left" in daemon.log() or "Read-only" in daemon.log()
    else:
        assert found["pid"] == pid
        daemon.kill()
    small.empty() if fault == "full" else small.read_only(False)
    daemon.start()
    assert libvirt.with_pid(daemon.call("Pause", name="web")["cvm"])["pid"] == pid


@pytest.mark.not_valgrind("valgrind keeps descriptors of its own")
def test_no_descriptors_left(cvmd):
    cvmd.launch("web", wait="ready")
    soft, hard = resource.prlimit(cvmd.process.pid, resource.RLIMIT_NOFILE)
    there = len(processes.descriptors(cvmd.process.pid))
    names = set()
    with cvmd.client() as client:
        client.call("List")
        for more in range(1, 40):
            resource.prlimit(cvmd.process.pid, resource.RLIMIT_NOFILE, (there + more, hard))
            try:
                client.call("Launch", spec=cvmd.spec("two", **SECRETS))
                client.call("Stop", name="two", force=True)
                client.call("Remove", name="two")
                break
            except VarlinkError as error:
                names.add(error.name)
                assert [cvm["name"] for cvm in client.call("List")["cvms"]] == ["web"]
        else:
            pytest.fail("it never fits")
        assert names <= {"SystemError", "ArtifactInvalid", "InvalidSpec", "LaunchFailed"}, names
        assert client.call("Pause", name="web")["cvm"]["state"] == "paused"
    resource.prlimit(cvmd.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    cvmd.launch("two")


@pytest.fixture
def memory_group():
    """A control group whose members have 16 MiB."""
    for top, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                       ("/sys/fs/cgroup", "memory.max")):
        path = pathlib.Path(top) / f"cvmd-test-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        try:
            (path / limit).write_text(str(16 << 20))
        except OSError:
            path.rmdir()
            continue
        yield path
        eventually(lambda: not (path / "cgroup.procs").read_text(), "an empty control group")
        path.rmdir()
        return
    pytest.skip("no control group with a memory limit can be made here")


@pytest.mark.not_valgrind("what the daemon forks is under valgrind, too")
def test_qemu_out_of_memory(cvmd, memory_group):
    """The kernel kills the QEMU; only that CVM ends."""
    cvmd.launch("web")
    pid = cvmd.launch("eats", paused=True, cmdline=f"fake.eat={64 << 20}")["pid"]
    (memory_group / "cgroup.procs").write_text(str(pid))
    try:
        cvmd.call("Resume", name="eats")
    except VarlinkError as error:
        assert error.name in ("WrongState", "SystemError", "LaunchFailed")
    ending = cvmd.wait_state("eats", "failed")["ending"]
    assert ending["reason"] == libvirt.KILLED
    assert ending.get("signal") == (None if libvirt.USED else signal.SIGKILL)
    assert cvmd.status("web")["state"] == "running"


def test_a_stopped_daemon(cvmd):
    """SIGSTOP: CVMs go on; what happened meanwhile, and who called, is heard when it goes on."""
    cvmd.launch("off", cmdline="fake.poweroff-ms=300")
    dies = cvmd.launch("dies")
    cvmd.launch("web")
    os.kill(cvmd.process.pid, signal.SIGSTOP)
    try:
        with cvmd.client() as client:
            client.send("Launch", {"spec": cvmd.spec("new")})
            time.sleep(0.6 * SLOWNESS)
            os.kill(dies["pid"], signal.SIGKILL)
            os.kill(cvmd.process.pid, signal.SIGCONT)
            assert client.receive()[0]["cvm"]["state"] == "running"
    finally:
        os.kill(cvmd.process.pid, signal.SIGCONT)
    assert cvmd.wait_state("off", "stopped")["ending"]["reason"] == "power-off"
    assert cvmd.wait_state("dies", "failed")["ending"]["reason"] == libvirt.KILLED
    assert cvmd.status("web")["state"] == "running"


@QMP
def test_qemu_talks_nonsense_later(cvmd):
    cvmd.launch("web", cmdline="fake.qmp-garbage-ms=100", **SECRETS)
    cvm = cvmd.wait_state("web", "failed")
    assert cvm["ending"]["reason"] == "qemu-signal" and "QMP" in cvm["ending"]["detail"]
    assert not (cvmd.runtime / "shares" / cvm["id"]).exists()


@QMP
def test_qemu_talks_nonsense_to_the_next_daemon(cvmd):
    pid = cvmd.launch("web", cmdline="fake.qmp-garbage-again", **SECRETS)["pid"]
    cvmd.kill()
    cvmd.start()
    cvm = cvmd.wait_state("web", "failed")
    cvmd.wait_gone(pid)
    processes.reap()
    assert cvm["ending"]["reason"] in ("qemu-signal", "lost")
    assert not (cvmd.runtime / "shares" / cvm["id"]).exists()


def test_qemu_says_nothing_to_the_next_daemon(cvmd):
    """It is as it was on record, holds nobody up, and can be stopped."""
    cvm = cvmd.launch("web", timeouts={"powerdownSec": 1, "quitSec": 1})
    cvmd.kill()
    os.kill(cvm["pid"], signal.SIGSTOP)
    cvmd.start()
    assert cvmd.status("web")["state"] == "running"
    cvmd.launch("two")
    assert cvmd.stop("web")["ending"]["reason"] == "killed"
    cvmd.wait_gone(cvm["pid"])
    processes.reap()


@pytest.mark.slow
@pytest.mark.not_valgrind("a gibibyte takes minutes")
def test_a_guest_that_writes_a_gibibyte(make_daemon, config):
    daemon = make_daemon({**config, "console": {"size": "1M", "files": 3}})
    daemon.launch("web", cmdline=f"fake.console-bytes={1 << 30}")
    consoles = daemon.state / "consoles"

    def on_disk():
        try:
            return sum(path.stat().st_size for path in consoles.iterdir())
        except FileNotFoundError:  # they are being rotated
            return 0

    def written():
        """By write(2), to the log above all. The kernel counts nothing that comes by recv(2)."""
        lines = pathlib.Path(f"/proc/{daemon.process.pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["wchar"])

    most, logged = 0, 0
    begin = time.monotonic()
    while time.monotonic() - begin < 120 * SLOWNESS:
        most = max(most, on_disk())
        assert most <= 3 << 20
        now = written()
        if now == logged and now > 1 << 30:
            break
        logged = now
        time.sleep(0.2)
    assert logged > 1 << 30, f"{logged} bytes were written"
    assert most > 2 << 20
