# SPDX-License-Identifier: Apache-2.0
"""The units under a real systemd: what an operator does, and what befalls a fleet."""
import json
import os
import pathlib
import re

import pytest

from harness import exits
from harness.processes import eventually

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]
EXPOSURE_MAX = 4.5
UNITS = ["cvmd.socket", "cvmd-secrets.service", "cvmd.service", "cvm@web.service", "cvms.target",
         "cvm.slice"]
SOCKET = "/run/cvmd/io.cvmd.Manager"


def start(machine, *names, **spec):
    for name in names:
        machine.write(f"/etc/cvmd/cvms/{name}.json", json.dumps({"memory": "64M", **spec}))
        machine.systemctl("start", f"cvm@{name}.service")
    return [machine.status(name) for name in names]


def identities(machine, *names):
    """What must not change while only the daemon does."""
    return [(cvm["pid"], cvm["id"], *machine.show(f"cvm@{cvm['name']}", "MainPID",
                                                  "ActiveState").values())
            for cvm in map(machine.status, names)]


def fate(machine, unit):
    found = machine.show(unit, "ActiveState", "Result", "ExecMainStatus")
    return found["ActiveState"], found["Result"], int(found["ExecMainStatus"])


# The units themselves

def test_verify_finds_nothing(either):
    done = either.run("systemd-analyze", "verify", "--man=no", *UNITS)
    assert done.stdout + done.stderr == ""


def test_exposure(either, record_property):
    version = either.run("systemctl", "--version").stdout.split()[1]
    text = either.run("systemd-analyze", "security", "--no-pager", "cvmd.service").stdout
    level = float(re.search(r"Overall exposure level for cvmd.service: ([\d.]+)", text)[1])
    record_property(f"exposure of cvmd.service by systemd {version}", level)
    assert level <= EXPOSURE_MAX, text


def test_groups_and_directories(machine):
    for group in ("cvm", "cvm-admin"):
        machine.run("getent", "group", group)
    assert machine.run("stat", "-c", "%a %U %G", "/etc/cvmd/cvms").stdout == "750 root cvm-admin\n"


# The daemon

def test_socket_activation(machine):
    machine.systemctl("stop", "cvmd.service")
    machine.systemctl("start", "cvmd.socket")
    assert machine.show("cvmd.service", "ActiveState") == "inactive"
    assert machine.run("stat", "-c", "%a %U %G", SOCKET).stdout == "660 root cvm\n"
    assert machine.run("readlink", "-f", "/run/varlink/registry/io.cvmd.Manager").stdout == \
        f"{SOCKET}\n"
    assert machine.cvmctl("list", "--json").stdout == "[]\n"
    machine.wait("cvmd.service", "active")


def test_varlinkctl_finds_it_by_its_socket(machine):
    done = machine.run("varlinkctl", "info", SOCKET)
    assert "io.cvmd.Manager" in done.stdout


def test_no_cvm_notices_a_restart(machine):
    start(machine, "a", "b")
    before = identities(machine, "a", "b")
    daemon = machine.show("cvmd.service", "MainPID")
    machine.systemctl("restart", "cvmd.service")
    assert identities(machine, "a", "b") == before
    assert machine.show("cvmd.service", "MainPID") != daemon
    machine.systemctl("stop", "cvm@a.service")
    assert machine.status("a")["ending"]["reason"] == "stopped"
    assert machine.status("b")["state"] == "running"


def test_no_cvm_notices_a_killed_daemon(machine):
    start(machine, "a", "b")
    before = identities(machine, "a", "b")
    daemon = machine.show("cvmd.service", "MainPID")
    machine.systemctl("kill", "-s", "KILL", "--kill-whom=main", "cvmd.service")
    eventually(lambda: machine.show("cvmd.service", "MainPID") not in ("0", daemon), "a new daemon")
    machine.wait("cvmd.service", "active")
    assert identities(machine, "a", "b") == before
    assert machine.status("a")["ready"]


LOAD = """
for round in $(seq 1000); do
    [ ! -e /run/enough ] || exit 0
    cvmctl launch load-$1 --memory 64M && cvmctl list && cvmctl pause load-$1 &&
        cvmctl resume load-$1
    cvmctl stop --force load-$1
done
"""


def test_restarts_under_load(machine):
    """Calls fail while a daemon ends, and nothing else does: nothing is left of broken launches."""
    start(machine, "a", "b")
    before = identities(machine, "a", "b")
    machine.write("/run/load", LOAD)
    machine.run("sh", "-c", "rm -f /run/enough; for n in 1 2; do "
                "sh /run/load $n >/run/load-$n 2>&1 </dev/null & done")
    try:
        for kill in (False, True) * 2:
            machine.run("sleep", "0.7")
            if kill:
                machine.systemctl("kill", "-s", "KILL", "--kill-whom=main", "cvmd.service")
                machine.wait("cvmd.service", "active")
            else:
                machine.systemctl("restart", "cvmd.service")
            assert identities(machine, "a", "b") == before
    finally:
        machine.run("touch", "/run/enough")
    eventually(lambda: not machine.run("pgrep", "-f", "^sh /run/load", check=False).stdout,
               "the load's end", 30, 0.2)
    for number in (1, 2):
        assert "running" in machine.run("cat", f"/run/load-{number}").stdout
    cvms = json.loads(machine.cvmctl("list", "--json").stdout)
    live = {cvm["pid"] for cvm in cvms if "pid" in cvm}
    left = set(map(int, machine.run("pgrep", "-x", "fake-qemu").stdout.split()))
    assert left == live
    scopes = machine.systemctl("list-units", "--plain", "--no-legend", "cvm-*.scope").splitlines()
    assert len(scopes) == len(live), scopes
    assert len(machine.run("ls", "/run/cvmd/vms").stdout.split()) == len(live)


def live_record(machine, cvm):
    return f"/var/lib/cvmd/records/{cvm['id']}.json"


def test_an_upgrade_from_the_first_version(machine):
    """The record as the first cvmd wrote it, with this CVM's values: all that a newer one has."""
    first = json.loads((HERE / "record-1.json").read_text())
    (cvm,) = start(machine, "a", limits={"tasksMax": 300})
    before = identities(machine, "a")
    record = json.loads(machine.run("cat", live_record(machine, cvm)).stdout)

    def as_first(old, new):
        if not isinstance(old, dict):
            return new
        return {key: as_first(value, new.get(key, value)) for key, value in old.items()}
    downgraded = {**as_first(first, record), "version": 1}
    machine.systemctl("stop", "cvmd.socket", "cvmd.service")
    machine.write(live_record(machine, cvm), json.dumps(downgraded))
    machine.systemctl("start", "cvmd.socket", "cvmd.service")
    assert identities(machine, "a") == before
    assert machine.status("a")["ready"] and machine.status("a")["scope"] == cvm["scope"]
    assert scope_of(machine, cvm["pid"]) == cvm["scope"]
    machine.systemctl("stop", "cvm@a.service")
    assert fate(machine, "cvm@a") == ("inactive", "success", 0)
    assert machine.status("a")["ending"]["reason"] == "stopped"
    eventually(lambda: machine.show(cvm["scope"], "LoadState") == "not-found", "the scope gone")


def test_what_a_newer_version_wrote_is_let_be(machine):
    (cvm,) = start(machine, "a")
    record = json.loads(machine.run("cat", live_record(machine, cvm)).stdout)
    machine.systemctl("stop", "cvmd.socket", "cvmd.service")
    machine.write(live_record(machine, cvm), json.dumps({**record, "version": 1000}))
    machine.systemctl("start", "cvmd.socket", "cvmd.service")
    assert machine.cvmctl("list", "--json").stdout == "[]\n"
    assert scope_of(machine, cvm["pid"]) == cvm["scope"]
    machine.systemctl("stop", "cvmd.socket", "cvmd.service")
    machine.write(f"{live_record(machine, cvm)}.newer", json.dumps(record))
    machine.systemctl("start", "cvmd.socket", "cvmd.service")
    assert machine.status("a")["pid"] == cvm["pid"] and machine.status("a")["ready"]


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_guest_says_while_no_daemon_runs(machine, kept):
    """The console's text waits in the connection that systemd keeps; QEMU would throw it away."""
    store = "" if kept else "FileDescriptorStoreMax=0\n"
    machine.drop_in("cvmd.service", f"[Service]\nRestartSec=2s\n{store}")
    machine.systemctl("restart", "cvmd.service")
    machine.write("/etc/cvmd/cvms/a.json", json.dumps(
        {"name": "a", "memory": "64M", "cmdline": "fake.ready-ms=1200 fake.status=late"}))
    machine.cvmctl("launch", "--file", "/etc/cvmd/cvms/a.json")
    daemon = machine.show("cvmd.service", "MainPID")
    machine.systemctl("kill", "-s", "KILL", "--kill-whom=main", "cvmd.service")
    eventually(lambda: machine.show("cvmd.service", "MainPID") not in ("0", daemon), "a new daemon")
    machine.wait("cvmd.service", "active")
    machine.run("sleep", "0.3")
    assert machine.status("a")["ready"]  # for the notify port the guest itself waits
    assert ("fake-qemu: ready" in machine.cvmctl("logs", "a").stdout) == kept
    machine.cvmctl("stop", "a", "--force")
    eventually(lambda: machine.show("cvmd.service", "NFileDescriptorStore") == "0", "nothing kept")


def test_the_watchdog_ends_a_daemon_that_hangs(machine):
    machine.drop_in("cvmd.service", "[Service]\nWatchdogSec=2s\n")
    machine.systemctl("restart", "cvmd.service")
    start(machine, "a")
    before = identities(machine, "a")
    daemon = machine.show("cvmd.service", "MainPID")
    # A daemon in order pings.
    machine.run("sleep", "3")
    assert machine.show("cvmd.service", "MainPID") == daemon
    machine.run("kill", "-STOP", daemon)
    eventually(lambda: machine.show("cvmd.service", "MainPID") not in ("0", daemon), "a new daemon",
               30, 0.2)
    machine.wait("cvmd.service", "active")
    assert identities(machine, "a") == before


def test_secrets_lie_in_memory_that_is_never_swapped(machine):
    """A mount of the host's, which daemons come and go over."""
    (cvm,) = start(machine, "a", env={"KEY": "hush-hush"})
    file = f"/run/cvmd/shares/{cvm['id']}/env/environment"
    found = machine.run("findmnt", "-no", "FSTYPE,OPTIONS", "-T", file).stdout.split()
    assert found[0] == "ramfs" or (found[0] == "tmpfs" and "noswap" in found[1].split(",")), found
    mounts = machine.run("cat", "/proc/self/mountinfo").stdout
    assert mounts.count(" /run/cvmd/shares ") == 1
    assert "hush-hush" in machine.run("cat", file).stdout
    machine.systemctl("restart", "cvmd.service", "cvmd-secrets.service")
    assert "hush-hush" in machine.run("cat", file).stdout
    assert machine.run("cat", "/proc/self/mountinfo").stdout.count(" /run/cvmd/shares ") == 1
    assert "swapped" not in machine.journal()
    machine.systemctl("stop", "cvm@a.service")
    assert machine.run("ls", "/run/cvmd/shares").stdout == ""


# Scopes

def scope_of(machine, pid):
    """The unit that a process is in, by its control group."""
    return machine.run("cat", f"/proc/{pid}/cgroup").stdout.strip().rsplit("/", 1)[1]


LIMITS = {"memoryHigh": "96M", "memoryMax": "512M", "cpuWeight": 50, "tasksMax": 99}


def test_qemu_is_in_a_scope_with_its_limits(machine):
    (cvm,) = start(machine, "a", limits=LIMITS)
    assert scope_of(machine, cvm["pid"]) == cvm["scope"] == f"cvm-a-{cvm['pid']}.scope"
    found = machine.show(cvm["scope"], "Slice", "MemoryHigh", "MemoryMax", "CPUWeight", "TasksMax",
                         "DevicePolicy", "CPUQuotaPerSecUSec", "Description")
    assert found == {
        "Slice": "cvm.slice", "MemoryHigh": str(96 << 20), "MemoryMax": str(512 << 20),
        "CPUWeight": "50", "TasksMax": "99", "DevicePolicy": "closed",
        "CPUQuotaPerSecUSec": "infinity", "Description": "Confidential VM a"}


def test_stats_are_of_the_scope(machine):
    (cvm,) = start(machine, "a", limits=LIMITS)
    found = json.loads(machine.cvmctl("stats", "a", "--json").stdout)[0]
    assert found["source"] == "scope" and found["lastEvent"]["kind"]

    def count(name):
        return machine.run("cat", f"/sys/fs/cgroup/cvm.slice/{cvm['scope']}/{name}",
                           check=False).stdout.split()

    assert 0 < found["cpuUsec"] <= int(count("cpu.stat")[1])
    for member, name in (("memory", "memory.current"), ("memoryMax", "memory.max"),
                         ("memoryHigh", "memory.high"), ("tasks", "pids.current")):
        # a host may leave controllers to the old hierarchies
        assert (member in found) == bool(count(name)), name
    if count("memory.max"):
        assert (found["memoryMax"], found["memoryHigh"]) == (512 << 20, 96 << 20)


def test_limits_of_a_scope_are_updated(machine):
    (cvm,) = start(machine, "a", limits=LIMITS)

    def limits():
        found = machine.show(cvm["scope"], "MemoryHigh", "MemoryMax", "CPUWeight", "TasksMax")
        return tuple(found[name] for name in ("MemoryHigh", "MemoryMax", "CPUWeight", "TasksMax"))

    machine.cvmctl("update", "a", "--cpu-weight", "70", "--memory-high", "128M", "--ttl", "1h",
                   "--label", "app=b")
    assert limits() == (str(128 << 20), str(512 << 20), "70", "99")
    shown = json.loads(machine.cvmctl("inspect", "a", "--spec").stdout)
    assert shown["limits"] == {**LIMITS, "cpuWeight": 70, "memoryHigh": "128M"}
    assert shown["labels"] == {"app": "b"}
    machine.systemctl("restart", "cvmd.service")
    assert json.loads(machine.cvmctl("inspect", "a", "--spec").stdout) == shown
    machine.cvmctl("update", "a", "--cpu-weight", "0", "--memory-high", "0")
    assert limits() == ("infinity", str(512 << 20), "[not set]", "99")
    left = {key: value for key, value in LIMITS.items() if key not in ("cpuWeight", "memoryHigh")}
    shown = json.loads(machine.cvmctl("inspect", "a", "--spec").stdout)
    assert shown["limits"] == left
    done = machine.cvmctl("update", "a", "--memory-high", "1G", check=False)
    assert done.returncode != 0 and "memoryHigh" in done.stderr
    assert limits()[0] == "infinity"


def test_an_update_that_a_killed_daemon_left(machine):
    """The scope may have the new limits already, and the record says that an update was asked for:
    the next daemon gives the scope the limits that are on record."""
    (cvm,) = start(machine, "a", limits=LIMITS)
    record = json.loads(machine.run("cat", live_record(machine, cvm)).stdout)
    assert "limitsInDoubt" not in record
    machine.systemctl("set-property", "--runtime", cvm["scope"], "MemoryHigh=300M", "CPUWeight=7")
    machine.systemctl("stop", "cvmd.socket", "cvmd.service")
    machine.write(live_record(machine, cvm), json.dumps({**record, "limitsInDoubt": True}))
    machine.systemctl("start", "cvmd.socket", "cvmd.service")
    eventually(lambda: machine.show(cvm["scope"], "MemoryHigh", "CPUWeight") == {
        "MemoryHigh": str(96 << 20), "CPUWeight": "50"}, "the limits are as recorded")
    assert "limitsInDoubt" not in json.loads(machine.run("cat", live_record(machine, cvm)).stdout)
    assert machine.status("a")["pid"] == cvm["pid"]


def may_open(machine, cvm, device):
    """Whether a process in the CVM's control group may."""
    done = machine.run("sh", "-c", f"echo $$ >/sys/fs/cgroup/cvm.slice/{cvm['scope']}/cgroup.procs"
                       f" && exec 3<>{device}", check=False)
    assert done.returncode == 0 or "Operation not permitted" in done.stderr, done.stderr
    return done.returncode == 0


def test_a_scope_has_the_devices_of_its_platform(machine):
    """Sockets among them are no devices."""
    template = json.loads((TOP / "templates/plain.json").read_text())
    template |= {"name": "devices", "devices": ["/dev/net/tun", "/run/dbus/system_bus_socket"]}
    machine.write("/etc/cvmd/templates/devices.json", json.dumps(template))
    machine.run("chmod", "666", "/dev/net/tun")
    machine.systemctl("restart", "cvmd.service")
    try:
        (a,) = start(machine, "a", platform="plain")
        (b,) = start(machine, "b", platform="devices", limits=LIMITS)
        assert not may_open(machine, a, "/dev/net/tun")
        assert may_open(machine, a, "/dev/null")
        assert may_open(machine, b, "/dev/net/tun")
    finally:
        machine.run("rm", "-r", "/etc/cvmd/templates")
        machine.systemctl("stop", "cvm@a", "cvm@b")
        machine.systemctl("restart", "cvmd.service")


def test_a_scope_lives_as_long_as_its_qemu(machine):
    start(machine, "a", "b")
    before = [(machine.status(name)["pid"], machine.status(name)["scope"]) for name in "ab"]
    machine.systemctl("restart", "cvmd.service")
    machine.systemctl("kill", "-s", "KILL", "--kill-whom=main", "cvmd.service")
    machine.wait("cvmd.service", "active")
    assert [(machine.status(name)["pid"], machine.status(name)["scope"]) for name in "ab"] == before
    assert [scope_of(machine, pid) for pid, _ in before] == [scope for _, scope in before]
    machine.systemctl("stop", "cvm@a.service")
    eventually(lambda: machine.show(before[0][1], "LoadState") == "not-found", "the scope gone")
    assert "scope" not in machine.status("a")
    assert machine.show(before[1][1], "ActiveState") == "active"


def test_a_scope_of_a_cvm_that_was_lost_is_stopped(machine):
    """Whatever else is in it: here a process that was moved there. Others' scopes are let be."""
    (cvm,) = start(machine, "a")
    machine.systemctl("stop", "cvmd.socket", "cvmd.service")
    machine.run("sh", "-c", "sleep 3600 >/dev/null 2>&1 & "
                f"echo $! > /sys/fs/cgroup/cvm.slice/{cvm['scope']}/cgroup.procs")
    machine.run("systemd-run", "--no-block", "--unit=cvm-other-1", "--slice=cvm.slice", "sleep",
                "3600")
    machine.run("kill", "-KILL", cvm["pid"])
    assert machine.show(cvm["scope"], "ActiveState") == "active"
    machine.systemctl("start", "cvmd.socket", "cvmd.service")
    assert machine.status("a")["ending"]["reason"] == "lost"
    eventually(lambda: machine.show(cvm["scope"], "ActiveState") != "active", "the scope gone")
    assert machine.show("cvm-other-1.service", "ActiveState") == "active"
    machine.systemctl("stop", "cvm-other-1.service")


def test_limits_are_never_left_out(machine):
    machine.configure(scopes="off")
    try:
        (cvm,) = start(machine, "a")
        assert "scope" not in cvm
        assert scope_of(machine, cvm["pid"]) == "cvmd.service"
        machine.write("/etc/cvmd/cvms/b.json", json.dumps({"memory": "64M", "limits": LIMITS}))
        machine.systemctl("start", "cvm@b.service", check=False)
        assert fate(machine, "cvm@b")[0] == "failed"
        assert "scopes are off in cvmd.conf" in machine.journal()
        machine.systemctl("stop", "cvm@a.service")
    finally:
        machine.configure()


NO_SCOPES = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><policy context="mandatory"><deny send_interface="org.freedesktop.systemd1.Manager"
 send_member="StartTransientUnit"/></policy></busconfig>
"""


def test_systemd_refuses_a_scope(machine):
    """A bus that does not let the daemon ask: done without, or not at all where it is required."""
    machine.write("/etc/dbus-1/system.d/test.conf", NO_SCOPES)
    machine.systemctl("reload", "dbus.service")
    try:
        (cvm,) = start(machine, "a")
        assert "scope" not in cvm
        assert "it runs in the daemon's control group" in machine.journal()
        machine.configure(scopes="required")
        machine.write("/etc/cvmd/cvms/b.json", json.dumps({"memory": "64M"}))
        machine.systemctl("start", "cvm@b.service", check=False)
        assert fate(machine, "cvm@b")[0] == "failed"
        assert "systemd did not create a scope for the CVM" in machine.journal()
    finally:
        machine.run("rm", "/etc/dbus-1/system.d/test.conf")
        machine.systemctl("reload", "dbus.service")
        machine.configure()


# A CVM a unit

def test_up_is_ready_and_stop_is_graceful(machine):
    (cvm,) = start(machine, "a", cmdline="fake.ready-ms=700 fake.status=booting")
    assert cvm["ready"] and cvm["state"] == "running"
    machine.systemctl("restart", "cvmd.service")
    eventually(lambda: machine.show("cvm@a", "StatusText") == "ready: booting", "it is back")
    found = machine.show("cvm@a", "ActiveState", "Slice")
    assert found == {"ActiveState": "active", "Slice": "cvm.slice"}
    machine.systemctl("stop", "cvm@a.service")
    assert fate(machine, "cvm@a") == ("inactive", "success", 0)
    assert machine.status("a")["ending"]["reason"] == "stopped"


def test_a_guest_that_powers_off_ends_its_unit(machine):
    start(machine, "a", cmdline="fake.poweroff-ms=1000")
    machine.wait("cvm@a", "inactive")
    assert fate(machine, "cvm@a") == ("inactive", "success", 0)


def test_a_killed_qemu_fails_its_unit(machine):
    (cvm,) = start(machine, "a")
    machine.run("kill", "-KILL", cvm["pid"])
    machine.wait("cvm@a", "failed")
    assert fate(machine, "cvm@a") == ("failed", "exit-code", 13)


def test_what_a_killed_run_launched_is_stopped(machine):
    (cvm,) = start(machine, "a")
    machine.systemctl("kill", "-s", "KILL", "--kill-whom=main", "cvm@a")
    machine.wait("cvm@a", "failed")
    assert fate(machine, "cvm@a")[1:] == ("signal", 9)
    assert machine.status("a")["ending"]["reason"] == "stopped"
    assert machine.run("kill", "-0", cvm["pid"], check=False).returncode != 0


def test_restart_is_systemds_to_decide(machine):
    machine.drop_in("cvm@a.service", "[Service]\nRestart=on-failure\nRestartSec=100ms\n"
                                     "RestartPreventExitStatus=11\n")
    (cvm,) = start(machine, "a")
    machine.run("kill", "-KILL", cvm["pid"])

    def again():
        machine.wait("cvm@a", "active")
        now = machine.status("a")
        return now["ready"] and now["id"] != cvm["id"]
    eventually(again, "another CVM of that name")
    machine.systemctl("stop", "cvm@a.service")
    start(machine, "a", cmdline="fake.panic-ms=1000")
    machine.wait("cvm@a", "failed")
    assert fate(machine, "cvm@a") == ("failed", "exit-code", 11)


def test_a_refused_spec(machine):
    machine.write("/etc/cvmd/cvms/a.json", '{"cpus": 0}')
    assert machine.run("systemctl", "start", "cvm@a", check=False).returncode != 0
    assert fate(machine, "cvm@a") == ("failed", "exit-code", exits.DATA)
    assert "cpus" in machine.run("journalctl", "-u", "cvm@a", "-o", "cat").stdout


def test_a_spec_in_yaml(machine):
    """It is found, unless there is one in JSON, too; without either nothing is started."""
    assert machine.run("systemctl", "start", "cvm@a", check=False).returncode != 0
    assert machine.show("cvm@a", "AssertResult") == "no"
    machine.write("/etc/cvmd/cvms/a.yaml", "memory: 64M  # small\n")
    machine.systemctl("start", "cvm@a.service")
    assert machine.status("a")["memory"] == 64 << 20
    machine.systemctl("stop", "cvm@a.service")
    machine.write("/etc/cvmd/cvms/a.json", "{}")
    assert machine.run("systemctl", "start", "cvm@a", check=False).returncode != 0
    assert fate(machine, "cvm@a") == ("failed", "exit-code", exits.DATA)
    said = machine.run("journalctl", "-u", "cvm@a", "-o", "cat").stdout
    assert "/etc/cvmd/cvms/a.yaml: there is also /etc/cvmd/cvms/a.json" in said


def test_another_users_cvm_of_that_name_is_spared(machine):
    machine.run("systemd-sysusers", "--inline", "u someone - someone /run /bin/sh", "m someone cvm")
    try:
        machine.run("runuser", "-u", "someone", "--", "cvmctl", "launch", "a", "--memory", "64M")
        machine.write("/etc/cvmd/cvms/a.json", "{}")
        assert machine.run("systemctl", "start", "cvm@a", check=False).returncode != 0
        assert fate(machine, "cvm@a") == ("failed", "exit-code", exits.TAKEN)
        assert machine.status("a")["state"] == "running"
    finally:
        machine.cvmctl("stop", "a", check=False)


def test_journal_fields(machine):
    (cvm,) = start(machine, "a")
    text = machine.run("journalctl", "-o", "json", "CVM_NAME=a").stdout
    entries = [json.loads(line) for line in text.splitlines()]
    units = {entry.get("_SYSTEMD_UNIT") for entry in entries}
    assert {"cvmd.service", "cvm@a.service"} <= units
    assert any(entry.get("CVM_ID") == cvm["id"] and "running" in entry["MESSAGE"]
               for entry in entries)


def test_encrypted_credentials_reach_the_guest_alone(machine):
    machine.run("sh", "-c", "printf %s hush-hush | systemd-creds encrypt --with-key=host "
                            "--name=a.key - /etc/cvmd/cvms/a.key.cred")
    machine.drop_in("cvm@a.service", "[Service]\n"
                                     "LoadCredentialEncrypted=a.key:/etc/cvmd/cvms/a.key.cred\n")
    start(machine, "a", env={"KEY": {"credential": "a.key"}},
          certs={"key.pem": {"credential": "a.key"}})
    found = machine.run("grep", "-rl", "hush-hush", "/run/cvmd", "/var/lib/cvmd", "/etc/cvmd",
                        "/var/log", check=False).stdout.split()
    assert sorted(path.rpartition("/")[2] for path in found) == ["environment", "key.pem"]
    machine.systemctl("stop", "cvm@a")
    assert machine.run("grep", "-rl", "hush-hush", "/run/cvmd", check=False).stdout == ""


def argument(machine, cvm, prefix):
    """The QEMU's argument that begins so."""
    arguments = machine.run("cat", f"/proc/{cvm['pid']}/cmdline").stdout.split("\0")
    return next(text for text in arguments if text.startswith(prefix))


def test_files_of_users_under_the_units_hardening(machine):
    """A share is mapped to its QEMU's uid, whoever opened it; a restart opens all by path."""
    machine.run("sh", "-c", "mkdir -p /run/data && echo x >/run/data/file")
    (cvm,) = start(machine, "a", shares=[{"tag": "data", "path": "/run/data"}],
                   kernel={"path": "/root/guest/bzImage"},
                   restart={"policy": "on-failure", "backoffSec": 1})

    def owner():
        option = argument(machine, machine.status("a"), "local,id=share0,")
        number = re.search(r"path=/proc/self/fd/(\d+)", option)[1]
        file = f"/proc/{machine.status('a')['pid']}/fd/{number}/file"
        return int(machine.run("stat", "-c", "%u", file).stdout)
    assert owner() == cvm["uid"] > 0
    machine.run("kill", "-KILL", cvm["pid"])

    def again():
        now = machine.status("a")
        return now["state"] == "running" and now["pid"] != cvm["pid"]
    eventually(again, machine.journal)
    assert owner() == machine.status("a")["uid"]
    assert machine.show("cvm@a", "ActiveState") == "active"


def test_the_target_is_all_of_them(machine):
    start(machine, "a", "b")
    machine.systemctl("enable", "cvm@a", "cvm@b")
    machine.systemctl("start", "cvms.target")
    machine.systemctl("stop", "cvms.target")
    for name in ("a", "b"):
        machine.wait(f"cvm@{name}", "inactive")
        assert machine.status(name)["state"] == "stopped"
    machine.systemctl("start", "cvms.target")
    for name in ("a", "b"):
        machine.wait(f"cvm@{name}", "active")
    machine.systemctl("disable", "cvm@a", "cvm@b")


@pytest.mark.skipif("GUEST" not in os.environ, reason="there is no guest to boot")
def test_real_guests_under_the_units_hardening(machine):
    """QEMU inherits the daemon's filters and limits: guests must boot, and end as fake ones do."""
    machine.configure(qemu={"default": "/usr/bin/qemu-system-x86_64"},
                      timeouts={"startSec": 60, "readySec": 180, "powerdownSec": 60})
    try:
        for name in "ab":
            machine.write(f"/etc/cvmd/cvms/{name}.json", json.dumps(
                {"memory": "512M", "cpus": 1, "cmdline": "console=ttyS0 quiet", "env": {"A": "x y"},
                 "kernel": {"path": "/root/guest/real-bzImage"},
                 "initramfs": {"path": "/root/guest/real-initramfs.cpio.gz"}}))
        machine.systemctl("start", "cvm@a.service", "cvm@b.service", timeout=240)
        before = identities(machine, "a", "b")
        machine.systemctl("restart", "cvmd.service")
        machine.systemctl("kill", "-s", "KILL", "--kill-whom=main", "cvmd.service")
        machine.wait("cvmd.service", "active")
        assert identities(machine, "a", "b") == before
        assert machine.status("a")["ready"] and machine.status("b")["ready"]
        machine.run("kill", "-KILL", before[0][0])
        machine.wait("cvm@a", "failed")
        assert fate(machine, "cvm@a") == ("failed", "exit-code", 13)
        machine.systemctl("stop", "cvm@b.service", timeout=90)
        assert fate(machine, "cvm@b") == ("inactive", "success", 0)
        ending = machine.status("b")["ending"]
        assert ending["reason"] in ("stopped", "power-off") and "signal" not in ending
    finally:
        machine.configure()


# The example, word for word

def test_example(machine):
    readme = machine.run("cat", "/root/fleet/README.md").stdout
    blocks = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 3
    machine.run("bash", "-euc", f"cd /root/fleet\n{blocks[0]}")
    assert {name: machine.status(name)["ready"] for name in ("web", "db")} == \
        {"web": True, "db": True}
    assert machine.status("web")["forwards"][0]["hostPort"] == 8443
    shown = machine.run("bash", "-euc", f"cd /root/fleet\n{blocks[1]}").stdout
    assert "cvm@web.service" in shown and "cvm@db.service" in shown
    machine.run("bash", "-euc", f"cd /root/fleet\n{blocks[2]}")
    assert machine.show("cvm@web", "ActiveState") == "inactive"
    assert machine.status("db")["ending"]["reason"] == "stopped"


def test_reload(machine):
    start(machine, "a")
    daemon = machine.show("cvmd.service", "MainPID")
    try:
        config = json.loads(machine.run("cat", "/etc/cvmd/cvmd.conf").stdout)
        machine.write("/etc/cvmd/cvmd.conf", json.dumps({**config, "memory": "80M"}))
        machine.systemctl("reload", "cvmd.service")
        eventually(lambda: "configuration reloaded" in machine.journal(10), machine.journal)
        machine.wait("cvmd.service", "active")
        assert machine.show("cvmd.service", "MainPID") == daemon
        machine.write("/etc/cvmd/cvms/b.json", json.dumps({"name": "b"}))
        machine.systemctl("start", "cvm@b.service")
        assert machine.status("b")["memory"] == 80 << 20
        # Of an invalid file systemctl says that it failed, and nothing changes.
        machine.write("/etc/cvmd/cvmd.conf", '{"cpus": 0}')
        done = machine.run("systemctl", "reload", "cvmd.service", check=False)
        assert done.returncode and "field 'cpus'" in machine.journal(20)
        assert machine.show("cvmd.service", "MainPID") == daemon
        assert machine.status("b")["memory"] == 80 << 20
    finally:
        machine.configure()
