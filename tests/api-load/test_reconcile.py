# SPDX-License-Identifier: Apache-2.0
"""examples/clients/python/reconcile.py keeps the CVMs that a directory names, while the daemon,
QEMUs and it itself are killed at random and the directory changes. In the end there are exactly the
wanted CVMs, and at no moment two QEMUs of one: tests/fake/starts.c notes that.

API_LOAD_SECONDS says how long it goes on, and API_LOAD_SEED repeats the same decisions."""
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

from harness import processes
from harness.daemon import FAKE_QEMU, SPAWNED, TOP
from harness.processes import SLOWNESS, eventually

SECONDS = float(os.environ.get("API_LOAD_SECONDS", "60"))
SEED = int(os.environ.get("API_LOAD_SEED") or random.SystemRandom().randrange(1 << 32))
CVMS = 50
SETTLED_SECONDS = 90  # the longest pause of a CVM that has often ended, and some
EXAMPLE = TOP / "examples/clients/python/reconcile.py"
SET = "load"


class Load:
    """The directory, who keeps it, and what happens to them."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.random = random.Random(SEED)
        self.begin = time.monotonic()
        self.history = []
        self.specs = {}
        self.serial = 0
        self.directory = daemon.directory / "specs"
        self.starts = daemon.directory / "starts"
        self.output = daemon.directory / "reconcile.log"
        self.reconciler = None
        daemon.directory.chmod(0o711)  # QEMUs of other users pass
        self.directory.mkdir()
        self.starts.mkdir()
        self.starts.chmod(0o777)
        (self.starts / "log").touch()
        (self.starts / "log").chmod(0o666)

    def note(self, text):
        self.history.append(f"{time.monotonic() - self.begin:7.3f} {text}")

    # The directory

    def put(self, name, text):
        """As README.md says: a file is complete as soon as it has its name."""
        new = self.directory / f".{name}.new"
        new.write_text(text)
        new.rename(self.directory / f"{name}.json")

    def write(self, name):
        self.serial += 1
        spec = self.daemon.spec(name, cmdline=f"serial={self.serial} fake.starts={self.starts}")
        if self.serial % 3 == 0:
            spec["labels"] = {"serial": str(self.serial)}
        self.specs[name] = spec
        self.put(name, json.dumps(spec))

    def add(self):
        self.write(f"n{self.serial}")
        return f"serial {self.serial}"

    def remove(self):
        name = self.random.choice(sorted(self.specs))
        (self.directory / f"{name}.json").unlink()
        del self.specs[name]
        return name

    def change(self):
        name = self.random.choice(sorted(self.specs))
        self.write(name)
        return f"{name}: serial {self.serial}"

    def spoil(self):
        """A file that cannot be read changes nothing, and then it has another content."""
        name = self.random.choice(sorted(self.specs))
        self.put(name, self.random.choice(('{"cpus": ', '{"cpus": NaN}')))
        time.sleep(self.random.uniform(0, 0.5))
        self.write(name)
        return f"{name}: serial {self.serial}"

    # Those who end

    def start_reconciler(self):
        with open(self.output, "ab") as log:
            self.reconciler = subprocess.Popen(
                [sys.executable, "-B", EXAMPLE, "--socket", self.daemon.socket, "--set", SET,
                 self.directory], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        SPAWNED.add(self.reconciler.pid)

    def end_reconciler(self):
        status = self.reconciler.poll()
        assert status is None, f"reconcile.py ended with status {status}"
        self.reconciler.kill()
        self.reconciler.wait()

    def kill_reconciler(self):
        pid = self.reconciler.pid
        self.end_reconciler()
        time.sleep(self.random.uniform(0, 0.5))
        self.start_reconciler()
        return f"pid {pid}"

    def kill_daemon(self):
        self.daemon.answers()  # fails if it has ended by itself
        self.daemon.kill()
        time.sleep(self.random.uniform(0, 0.5))
        self.daemon.spawn()
        return f"pid {self.daemon.process.pid} follows"

    def kill_qemu(self):
        living = sorted(self.living())
        if not living:
            return "none lives"
        uuid, pid = self.random.choice(living)
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
        return f"{uuid}, pid {pid}"

    # What was started

    def log(self):
        """(what, UUID, pid) of each start."""
        lines = (self.starts / "log").read_text().splitlines()
        return [(what, uuid, int(pid)) for what, uuid, pid, _ in map(str.split, lines)]

    def living(self):
        """(UUID, pid) of each QEMU that has not ended."""
        return {(uuid, pid) for _, uuid, pid in self.log() if uuid in processes.command(pid)}

    def actual(self):
        """Name to spec of each CVM that runs, as the daemon has it, and None of each other one."""
        with self.daemon.client() as client:
            cvms = [cvm for reply in client.stream("List", withSpec=True) for cvm in reply["cvms"]]
        return {cvm["name"]: cvm["spec"] if cvm["state"] == "running" else None for cvm in cvms}

    def wanted(self):
        return {name: {**spec, "labels": {**spec.get("labels", {}), "reconcile/set": SET}}
                for name, spec in self.specs.items()}

    def story(self):
        return "\n".join([f"API_LOAD_SEED={SEED}", *self.history, "reconcile.py:",
                          *self.output.read_text().splitlines()[-60:], "starts:",
                          *(self.starts / "log").read_text().splitlines()[-60:], "cvmd:",
                          self.daemon.log()])


ACTIONS = {
    Load.kill_qemu: 6,
    Load.change: 5,
    Load.add: 2,
    Load.remove: 2,
    Load.spoil: 1,
    Load.kill_daemon: 1,
    Load.kill_reconciler: 1,
}


def disturb(load):
    """Returns how often each thing was done."""
    done = collections.Counter()
    while time.monotonic() < load.begin + SECONDS:
        [action] = load.random.choices([*ACTIONS], [*ACTIONS.values()])
        if action is Load.add and len(load.specs) >= CVMS + 10:
            action = Load.remove
        elif action is Load.remove and len(load.specs) <= CVMS - 10:
            action = Load.add
        load.note(f"{action.__name__} {action(load)}")
        done[action.__name__] += 1
        processes.reap()
        time.sleep(load.random.uniform(0, 0.3))
    while len(load.specs) != CVMS:
        action = Load.add if len(load.specs) < CVMS else Load.remove
        load.note(f"{action.__name__} {action(load)}")
    return done


def differences(load):
    actual, wanted = load.actual(), load.wanted()
    return {name: (wanted.get(name), actual.get(name)) for name in {*wanted, *actual}
            if wanted.get(name) != actual.get(name)}


def judge(load):
    """Returns the seconds that it took until all was as wanted."""
    begin = time.monotonic()
    eventually(lambda: not differences(load),
               lambda: f"the CVMs are those wanted; (wanted, there): {differences(load)}",
               SETTLED_SECONDS)
    settled = time.monotonic() - begin
    starts = load.log()
    time.sleep(2 * SLOWNESS)  # which is longer than reconcile.py waits for anything
    assert load.log() == starts, "CVMs are launched although all are as wanted"
    twice = [line for line in starts if line[0] != "start"]
    assert not twice, f"QEMUs were started while another one of the same CVM lived: {twice}"
    there = {(cvm["id"], cvm["pid"]) for cvm in load.daemon.cvms()}
    assert load.living() == there, (load.living() ^ there)
    assert len(there) == CVMS
    return settled


def end(load):
    """With an empty directory all are removed."""
    for name in [*load.specs]:
        (load.directory / f"{name}.json").unlink()
    eventually(lambda: not load.daemon.cvms(), lambda: f"no CVMs: {load.daemon.cvms()}", 60)
    load.end_reconciler()
    load.daemon.assert_clean()


def test_a_second_qemu_is_noted(tmp_path):
    """Without this, the other test could not fail."""
    (tmp_path / "log").touch()
    command = [FAKE_QEMU, "-S", "-name", "guest=n", "-uuid", "1-2", "-append",
               f"fake.starts={tmp_path}"]
    with subprocess.Popen(command) as first:
        eventually(lambda: (tmp_path / "log").read_text(), "the first one's start")
        with subprocess.Popen(command) as second:
            eventually(lambda: (tmp_path / "log").read_text().count("\n") == 2, "the second one's")
            second.kill()
        first.kill()
    with subprocess.Popen(command) as third:
        eventually(lambda: (tmp_path / "log").read_text().count("\n") == 3, "the third one's")
        third.kill()
    lines = [f"{what} 1-2 {process.pid} n" for what, process in
             (("start", first), ("twice", second), ("start", third))]
    assert (tmp_path / "log").read_text().splitlines() == lines


@pytest.mark.qemu_driver("it counts the processes of QEMU")
def test_ends_with_what_is_wanted(cvmd, record_property):
    load = Load(cvmd)
    for _ in range(CVMS):
        load.add()
    load.start_reconciler()
    try:
        done = disturb(load)
        eventually(cvmd.answers, "the daemon answers", 15)
        settled = judge(load)
        starts = len(load.log())
        end(load)
    except (AssertionError, OSError) as problem:
        raise AssertionError(f"{problem}\n{load.story()}") from problem
    finally:
        load.reconciler.kill()
        load.reconciler.wait()
    did = ", ".join(f"{action} {count}" for action, count in sorted(done.items()))
    record_property("api-load", f"seed {SEED}: {did}; {starts} QEMUs were started, none beside "
                                f"another of its CVM; as wanted after {settled:.1f} s")
    assert all(done[action.__name__] for action in ACTIONS), done
