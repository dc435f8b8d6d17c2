# SPDX-License-Identifier: Apache-2.0
"""The timer that writes the daemon's metrics for node-exporter."""
from harness.processes import eventually

DIRECTORY = "/var/lib/prometheus/node-exporter"
FILE = f"{DIRECTORY}/cvmd.prom"
UNITS = ["cvmd-metrics.timer", "cvmd-metrics.service"]
EXPOSURE = "Overall exposure level for cvmd-metrics.service: "
EXPOSURE_MAX = 1.0


def number(machine):
    """The file's inode; None: there is no such file."""
    done = machine.run("stat", "-c", "%i", FILE, check=False)
    return done.stdout if done.returncode == 0 else None


def test_units(machine):
    done = machine.run("systemd-analyze", "verify", "--man=no", *UNITS)
    assert done.stdout + done.stderr == ""
    text = machine.run("systemd-analyze", "security", "--no-pager", "cvmd-metrics.service").stdout
    assert float(text.split(EXPOSURE)[1].split()[0]) <= EXPOSURE_MAX, text


def journal(machine):
    return machine.run("journalctl", "-q", "--no-pager", "-o", "cat", "-u",
                       "cvmd-metrics.service").stdout


def test_nothing_without_node_exporter(machine):
    machine.run("rm", "-rf", DIRECTORY)
    machine.systemctl("start", "cvmd-metrics.service")
    assert machine.show("cvmd-metrics.service", "ConditionResult") == "no"
    assert number(machine) is None


def test_the_timer_writes_and_replaces_the_file(machine):
    machine.run("mkdir", "-p", DIRECTORY)
    try:
        machine.systemctl("start", "cvmd-metrics.timer")
        eventually(lambda: number(machine), machine.journal, 30, 0.5)
        first = number(machine)
        assert machine.run("stat", "-c", "%a %U", FILE).stdout == "644 root\n"
        text = machine.run("cat", FILE).stdout
        assert text.startswith("# TYPE cvmd_build_info gauge\n") and "\ncvmd_threads " in text
        eventually(lambda: number(machine) not in (None, first), machine.journal, 30, 0.5)
        assert machine.run("ls", "-A", DIRECTORY).stdout == "cvmd.prom\n"
    finally:
        machine.systemctl("stop", "cvmd-metrics.timer")
        machine.run("rm", "-rf", DIRECTORY)
    assert journal(machine) == ""


def test_the_journal_says_what_goes_wrong(machine):
    machine.run("mkdir", "-p", FILE)  # a directory is not replaced
    try:
        machine.systemctl("start", "cvmd-metrics.service", check=False)
        assert "cvmctl: " in journal(machine)
    finally:
        machine.run("rm", "-rf", DIRECTORY)
        machine.systemctl("reset-failed", "cvmd-metrics.service")
