# SPDX-License-Identifier: Apache-2.0
"""A private cvmd for a test, its clients, and the proof that it left nothing behind.

CVMD and CVMCTL name the programs under test; CVMD_WRAPPER is put before the daemon's command line
(valgrind); TEST_SLOWNESS stretches every time limit; CVMD_DRIVER is the driver of the tests' CVMs.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from harness import artifacts, libvirt, processes, varlink
from harness.processes import SLOWNESS, eventually

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
CVMD = os.environ.get("CVMD", str(BUILD / "daemon/cvmd"))
CVMCTL = os.environ.get("CVMCTL", str(BUILD / "cli/cvmctl"))
FAKE_QEMU = os.environ.get("FAKE_QEMU", str(BUILD / "tests/fake-qemu"))
WRAPPER = shlex.split(os.environ.get("CVMD_WRAPPER", ""))
SOCKET = "io.cvmd.Manager"
# Daemons that tests started: children of this process that are no orphans.
SPAWNED = set()
# Whatever this machine has installed, a test's daemon has what the test gives it.
NO_GUEST = "/nonexistent"
DEAD = ("stopped", "failed")
OWN_FILES = ("events", "events.old", "sequence", ".sequence.kept", ".sequence.sync", "key")
CALL_SECONDS = 20  # for a call that waits for nothing, on a machine that is busy
ABORT_SECONDS = 10
# What a sanitizer or valgrind prints when it has found something.
FOUND = re.compile(r"ERROR: \w+Sanitizer|runtime error:|"
                   r"==\d+== (Invalid|Conditional|Use of|Syscall param|.*lost in)")


class Daemon:
    """cvmd in a directory of its own under /tmp (short, for the sockets' sake)."""

    def __init__(self, config, user=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cvmd-", dir="/tmp"))
        self.runtime = self.directory / "run"
        self.state = self.directory / "state"
        self.socket = self.runtime / SOCKET
        self.config_path = self.directory / "cvmd.conf"
        self.log_path = self.directory / "log"
        self.config = config
        self.user = user  # keyword arguments for Popen: user, group, extra_groups
        self.process = None
        self.before = None
        self.embedded = 0
        self.environment = {}  # beside this process's own
        self.program = CVMD
        self.launcher = []  # a command that is put before the daemon's
        self.hung = ""  # what its threads did when it left a call without an answer
        if libvirt.USED:
            self.directory.chmod(0o711)  # its QEMU opens files by path
        if user:
            os.chown(self.directory, user["user"], user["group"])

    # Life

    def preload(self, library, **environment):
        """A library of the tests stands between the daemon and the host."""
        if WRAPPER:
            pytest.skip("valgrind has a library of its own there")
        sanitizer = os.environ.get("ASAN_OPTIONS", "")
        self.environment = {"LD_PRELOAD": str(pathlib.Path(FAKE_QEMU).parent / library),
                            "ASAN_OPTIONS": f"{sanitizer}:verify_asan_link_order=0", **environment}

    def spawn(self):
        self.config_path.write_text(json.dumps({"guest": NO_GUEST, **self.config}))
        command = [*self.launcher, *WRAPPER, self.program,
                   "--config", self.config_path, "--socket", self.socket,
                   "--runtime-dir", self.runtime, "--state-dir", self.state, "--log-level", "debug"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env={**os.environ, **self.environment}, start_new_session=True,
                **(self.user or {}))
        SPAWNED.add(self.process.pid)

    def start(self):
        self.spawn()
        eventually(self.answers, lambda: f"cvmd answers\n{self.log()}", seconds=15)
        if self.before is None:
            listed = self.call("ListArtifacts")["artifacts"]
            self.embedded = sum(artifact["origin"] == "embedded" for artifact in listed)
            self.before = self.settled()
        return self

    def settled(self):
        """The holdings once the first connection has been closed."""
        now = None
        while True:
            before, now = now, self.holdings()
            if before == now:
                return now
            time.sleep(0.05 * SLOWNESS)

    def answers(self):
        status = self.process.poll()
        assert status is None, f"cvmd ended with status {status}\n{self.log()}"
        try:
            with self.client() as client:
                return client.call("org.varlink.service.GetInfo")
        except (FileNotFoundError, ConnectionRefusedError, PermissionError,
                varlink.ConnectionClosed):  # by a child that a killed one had forked
            return None

    def terminate(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15 * SLOWNESS)
        except subprocess.TimeoutExpired:
            return "none within 15 s of SIGTERM"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def abort(self):
        """SIGABRT, so that what watches the daemon may say where it was; it is bounded."""
        self.process.send_signal(signal.SIGABRT)
        try:
            self.process.wait(ABORT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def log(self, lines=60):
        """The last lines of what the daemon said; None: all."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:] if lines else text.splitlines())

    # Clients

    @property
    def patience(self):
        """Seconds in which a call is answered, or the daemon hangs: a call may wait for each of the
        daemon's own timeouts once."""
        own = sum(self.config.get("timeouts", {"all": varlink.TIMEOUT}).values())
        return min(own + CALL_SECONDS * SLOWNESS, varlink.TIMEOUT * SLOWNESS)

    def client(self, timeout=None):
        if timeout is not None:
            return varlink.Client(self.socket, timeout)
        return varlink.Client(self.socket, self.patience, self.note_hang)

    def note_hang(self):
        """Returns what its threads do. The test fails, and finish() asks the daemon nothing."""
        self.hung = f"cvmd left a call without an answer:\n{processes.threads(self.process.pid)}"
        return self.hung

    def call(self, method, **parameters):
        with self.client() as client:
            return client.call(method, **parameters)

    def cvmctl(self, *args, check=True, timeout=None, **options):
        """Runs cvmctl; with check (default) a failure fails the test."""
        env = {**os.environ, "CVMD_SOCKET": str(self.socket), "NO_COLOR": "1"}
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        if "input" in options:
            del options["stdin"]
        try:
            done = subprocess.run([CVMCTL, "--socket", self.socket, *map(str, args)], env=env,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  errors="replace", check=False, **options,
                                  timeout=timeout * SLOWNESS if timeout else self.patience)
        except subprocess.TimeoutExpired:
            if timeout is None:
                self.note_hang()
            raise
        assert not FOUND.search(done.stderr), done.stderr
        assert not check or done.returncode == 0, (
            f"cvmctl {' '.join(map(str, args))}: status {done.returncode}\n{done.stderr}\n"
            f"cvmd:\n{self.log()}")
        return done

    @staticmethod
    def boot_id():
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    # CVMs

    @property
    def kernel(self):
        path = self.directory / "bzImage"
        return path if path.exists() else artifacts.kernel(path)

    @property
    def initramfs(self):
        path = self.directory / "initramfs"
        return path if path.exists() else artifacts.initramfs(path)

    def spec(self, name, **fields):
        """A small spec that needs nothing embedded; a field of None is left out."""
        spec = {"name": name, "platform": "plain", "cpus": 1, "memory": "64M",
                "driver": libvirt.DRIVER if libvirt.USED else None,
                "kernel": {"path": str(self.kernel)}, "initramfs": {"path": str(self.initramfs)},
                **fields}
        return {key: value for key, value in spec.items() if value is not None}

    def launch(self, name, wait=None, paused=None, **fields):
        parameters = {"spec": self.spec(name, **fields), "wait": wait, "paused": paused}
        given = {key: value for key, value in parameters.items() if value is not None}
        return libvirt.with_pid(self.call("Launch", **given)["cvm"])

    def status(self, name):
        return libvirt.with_pid(self.call("Status", name=name)["cvm"])

    def cvms(self):
        return [libvirt.with_pid(cvm) for cvm in self.call("List")["cvms"]]

    def wait_state(self, name, *states, seconds=15):
        def reached():
            cvm = self.status(name)
            return cvm if cvm["state"] in states else None
        return eventually(reached, lambda: f"{name} is {states}: {self.status(name)}\n{self.log()}",
                          seconds)

    def wait_ready(self, name, seconds=15):
        def ready():
            cvm = self.status(name)
            return cvm if cvm["ready"] else None
        return eventually(ready, lambda: f"{name} ready: {self.status(name)}\n{self.written(name)}",
                          seconds)

    def written(self, name):
        """The end of what the guest wrote to its console, and of the daemon's log."""
        console = self.cvmctl("logs", name, check=False)
        return f"console: {console.stdout[-2000:]}{console.stderr}\nlog: {self.log()[-4000:]}"

    def stop(self, name, **parameters):
        return self.call("Stop", name=name, **parameters)["cvm"]

    def discard(self, name):
        if self.status(name)["state"] not in DEAD:
            self.stop(name, force=True)
        self.call("Remove", name=name)

    # What is left

    def holdings(self):
        """What the daemon holds that a CVM could have left behind, as a dictionary to compare."""
        pid = self.process.pid
        kinds, spare = {}, self.embedded
        for target in processes.descriptors(pid).values():
            if target.startswith("/memfd:artifact") and spare:
                spare -= 1  # embedded artifacts stay in memory once they were used
                continue
            if target.startswith("/tmp/valgrind_proc_"):
                continue  # valgrind's own, under other names each time
            kind = re.sub(r"\[\d+\]|\d+", "", target)
            kinds[kind] = kinds.get(kind, 0) + 1
        return {
            "descriptors": libvirt.without_link(pid, kinds),
            "children": [processes.command(child) for child in processes.children(pid)],
            "domains": [*libvirt.domains(self.directory).values()],
            "runtime": processes.tree(self.runtime),
            # Events, their numbers and the key stay.
            "state": [path for path in processes.tree(self.state)
                      if path not in OWN_FILES and not path.startswith("qemu-cache/")],
        }

    def assert_clean(self):
        """Nothing of any CVM is left: to be called with none in the table."""
        assert self.cvms() == []
        try:
            eventually(lambda: self.holdings() == self.before, "", seconds=5)
        except AssertionError:
            raise AssertionError(f"left behind: {self.differences()}\n{self.log()}") from None

    def differences(self):
        """What the daemon holds more (+) or less (-) than at its start."""
        found = []
        for key, now in self.holdings().items():
            before = self.before[key]
            if isinstance(now, list):
                found += [f"{key} +{item}" for item in now if item not in before]
                found += [f"{key} -{item}" for item in before if item not in now]
            else:
                found += [f"{key} {item} {now.get(item, 0) - before.get(item, 0):+d}"
                          for item in {**before, **now} if now.get(item) != before.get(item)]
        return found

    def finish(self):
        """Ends the daemon and every CVM; raises AssertionError for anything that is left."""
        try:
            if self.hung:
                self.abort()
                raise AssertionError(f"{self.hung}\n{self.log()}")
            if self.process and self.process.poll() is None:
                for cvm in self.cvms():
                    self.discard(cvm["name"])
                self.assert_clean()
                status = self.terminate()
                assert status == 0, f"cvmd ended with status {status}\n{self.log()}"
                assert not self.socket.exists(), "the socket is left"
            whole = self.log(lines=None)
            found = FOUND.search(whole)
            assert not found, f"{found[0]}\n{whole}"
        finally:
            strays = self.end_strays()
            shutil.rmtree(self.directory, ignore_errors=True)
        assert not strays, f"processes left: {strays}"

    def end_strays(self):
        """Kills what is still there of this daemon; returns the command lines."""
        if self.process and self.process.poll() is None:
            self.kill()
        # Orphans have become our children (see conftest.py).
        strays = [*libvirt.domains(self.directory).values()]
        for pid in libvirt.domains(self.directory):
            os.kill(pid, signal.SIGKILL)
        for pid in processes.children(os.getpid()):
            if processes.state(pid) == "Z":
                continue
            if pid not in SPAWNED:
                strays.append(processes.command(pid))
                os.kill(pid, signal.SIGKILL)
        processes.reap()
        return strays

    def wait_gone(self, pid, seconds=5):
        eventually(lambda: processes.state(pid) in (None, "Z"), f"process {pid} is gone", seconds)
