# SPDX-License-Identifier: Apache-2.0
"""A system that systemd has booted in a root of its own (systemd-nspawn), entered from outside."""
import json
import os
import pathlib
import signal
import subprocess
import time

from .processes import children, command, eventually, state


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
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             *map(str, command)],
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

    def drop_in(self, unit, text):
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.systemctl("daemon-reload")


def leader_of(boot):
    """The machine's PID 1: systemd below nspawn below the script below unshare."""
    found = [boot.pid]
    for _ in range(3):
        found = [child for parent in found for child in children(parent)]
    return next((pid for pid in found if command(pid).endswith("systemd")), None)


def boot(make, script, *arguments, log, seconds, units=("cvmd.socket",), name=None):
    """Runs the script, which boots what make(leader) stands for, and starts these units there.
    Returns the two. `name` is the machine's, by default that of the root."""
    started = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
         "--mount-proc", script, *arguments, name or machine_name(arguments[0])],
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def text():
        log.seek(0)
        return log.read().decode(errors="replace")[-4000:]

    try:
        end = time.monotonic() + seconds
        while not (leader := leader_of(started)):
            if started.poll() is not None:
                raise BootFailed(started.returncode, text())
            assert time.monotonic() < end, f"not booted\n{text()}"
            time.sleep(0.2)
        machine = make(leader)
        eventually(lambda: machine.run("systemctl", "is-system-running", check=False)
                   .stdout.strip() in ("running", "degraded"), text, 60, 0.3)
        machine.systemctl("start", *units)
        return started, machine
    except BaseException:
        end_machine(started, leader_of(started))
        raise


def machine_name(root):
    return f"cvmd-lane-{os.getpid()}-{pathlib.Path(root).name[:3]}"


class BootFailed(Exception):
    """The script's status, and what it said."""


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
