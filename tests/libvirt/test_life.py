# SPDX-License-Identifier: Apache-2.0
"""CVMs of driver libvirt, with real guests, as virsh and the daemon see them."""
import json
import re

from harness.agent import assert_environment
from harness.processes import eventually


def states(machine, name):
    """Those that it came to, as far as the daemon remembers."""
    text = machine.run("timeout", 1, "cvmctl", "events", name, "--from", 0, "--json",
                       check=False).stdout
    return [event["newState"] for event in map(json.loads, text.splitlines())
            if "newState" in event]


def test_it_is_a_domain(machine, web):
    assert web["driver"] == "libvirt" and web["state"] == "running" and web["ready"]
    assert machine.virsh("domuuid", "web") == web["id"]
    assert machine.virsh("list", "--title").split()[1:] == [
        "web", "running", "web:", "plain", "CVM", "of", "cvmd"]
    metadata = machine.virsh("metadata", "web", "urn:io.cvmd:cvm")
    assert 'platform="plain"' in metadata and 'owner="0"' in metadata
    assert re.search(r'spec="sha256:[0-9a-f]{64}"', metadata)


def test_the_guest_has_what_the_spec_says(machine, web):
    assert_environment(machine.ask(web), {"A": "b"})


def test_artifacts_are_files_by_digest(machine, web):
    assert sorted(machine.artifacts()) == sorted(web["artifacts"].values())
    user = machine.run("id", "-g", "libvirt-qemu").stdout.strip()
    for name in machine.artifacts():
        path = f"/run/cvmd/artifacts/{name}"
        assert machine.run("stat", "-c", "%a %u %g", path).stdout.split() == ["440", "0", user]
        assert machine.run("sha256sum", path).stdout.split()[0] == name
    stat = machine.run("stat", "-c", "%a %u %g", "/run/cvmd/artifacts").stdout.split()
    assert stat == ["710", "0", user]


def test_another_user_reads_nothing(machine, web):
    for path in (f"/run/cvmd/artifacts/{web['artifacts']['kernel']}",
                 f"/run/cvmd/shares/{web['id']}/env/environment"):
        done = machine.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                           "cat", path, check=False)
        assert "Permission denied" in done.stderr


def test_what_virsh_holds_and_resumes(machine, web):
    machine.virsh("suspend", "web")
    machine.wait_state("web", "paused")
    machine.virsh("resume", "web")
    machine.wait_state("web", "running")
    assert states(machine, "web")[-2:] == ["paused", "running"]
    machine.cvmctl("pause", "web")
    assert machine.virsh("domstate", "web") == "paused"
    machine.cvmctl("resume", "web")
    assert machine.virsh("domstate", "web") == "running"
    assert_environment(machine.ask(web), {"A": "b"})


def test_libvirtd_is_killed_and_comes_back(machine, web):
    before = machine.show("libvirtd.service", "MainPID")
    machine.systemctl("kill", "--kill-whom=main", "-s", "KILL", "libvirtd.service")
    assert_environment(machine.ask(web), {"A": "b"})
    assert machine.status("web")["state"] == "running"
    eventually(lambda: machine.show("libvirtd.service", "MainPID") not in ("0", before),
               "libvirtd is back", 30, 0.2)
    # the daemon is connected again once it hears of this
    assert machine.virsh("domstate", "web") == "running"
    machine.virsh("suspend", "web")
    machine.wait_state("web", "paused")
    machine.cvmctl("resume", "web")
    assert machine.virsh("domstate", "web") == "running"


def test_cvmd_is_killed_and_comes_back(machine, web):
    machine.systemctl("kill", "--kill-whom=main", "-s", "KILL", "cvmd.service")
    machine.virsh("suspend", "web")
    machine.wait("cvmd.service", "active")
    found = machine.wait_state("web", "paused")
    assert (found["id"], found["ready"], found["driver"]) == (web["id"], True, "libvirt")
    machine.virsh("resume", "web")
    machine.wait_state("web", "running")
    assert_environment(machine.ask(found), {"A": "b"})
    assert sorted(machine.artifacts()) == sorted(web["artifacts"].values())


def test_what_it_writes_while_cvmd_is_away(machine):
    machine.launch("talk", "--debug", "--paused")
    machine.drop_in("cvmd.service", "[Service]\nRestartSec=6s\n")
    try:
        machine.systemctl("kill", "--kill-whom=main", "-s", "KILL", "cvmd.service")
        machine.wait("cvmd.service", "activating")
        machine.virsh("resume", "talk")
        machine.wait("cvmd.service", "active")
    finally:
        machine.run("rm", "-r", "/etc/systemd/system/cvmd.service.d")
        machine.systemctl("daemon-reload")
    eventually(lambda: "Linux version" in machine.cvmctl("logs", "talk").stdout,
               "the kernel's first message is in the log", 30, 0.2)


def test_both_are_killed(machine, web):
    for unit in ("cvmd.service", "libvirtd.service"):
        machine.systemctl("kill", "--kill-whom=main", "-s", "KILL", unit)
    machine.wait("cvmd.service", "active")
    machine.wait("libvirtd.service", "active")
    machine.virsh("suspend", "web")
    machine.wait_state("web", "paused")
    machine.cvmctl("resume", "web")
    assert machine.wait_state("web", "running")["ready"]


def test_virsh_destroys_it(machine):
    cvm = json.loads(machine.launch("gone", "--json").stdout)
    machine.virsh("destroy", "gone")
    ending = machine.wait_state("gone", "stopped")["ending"]
    assert ending["reason"] == "stopped" and "libvirt" in ending["detail"]
    assert machine.run("test", "-e", f"/run/cvmd/shares/{cvm['id']}", check=False).returncode == 1
    assert states(machine, "gone")[-2:] == ["running", "stopped"]


def test_its_qemu_is_killed(machine):
    machine.launch("killed")
    machine.run("pkill", "-KILL", "-f", "guest=killed,")
    ending = machine.wait_state("killed", "failed")["ending"]
    assert ending["reason"] == "qemu-exit"


def test_one_that_is_held(machine):
    machine.launch("held", "--paused")
    assert machine.status("held")["state"] == "paused"
    assert machine.virsh("domstate", "held") == "paused"
    machine.cvmctl("resume", "held")
    assert machine.virsh("domstate", "held") == "running"


def test_two_share_their_files(machine):
    before = set(machine.artifacts())
    for name in ("a", "b"):
        machine.launch(name)
    both = set(machine.artifacts())
    assert len(both | before) == 2
    machine.cvmctl("stop", "--force", "a")
    assert set(machine.artifacts()) == both
    machine.cvmctl("stop", "--force", "b")
    assert set(machine.artifacts()) == before


def test_stop_while_libvirt_is_away(machine):
    machine.launch("away")
    machine.libvirt_goes()
    done = machine.run("timeout", 3, "cvmctl", "stop", "--force", "away", check=False)
    assert done.returncode == 124 and machine.status("away")["state"] == "stopping"
    machine.libvirt_comes()
    assert machine.wait_state("away", "stopped")["ending"]["reason"] in ("stopped", "killed")
    assert "away" not in machine.virsh("list", "--all", "--name").split()


def test_launch_while_libvirt_is_away(machine):
    before = machine.artifacts()
    machine.libvirt_goes()
    done = machine.launch("never", "--json", check=False)
    error = json.loads(done.stderr)
    assert error["error"] == "io.cvmd.Manager.HostNotReady"
    assert error["parameters"]["check"] == "libvirt"
    assert machine.artifacts() == before


def test_at_last_its_power_button(machine, web):
    machine.cvmctl("stop", "web", timeout=90)
    assert machine.status("web")["ending"]["reason"] == "stopped"
    assert not machine.virsh("list", "--all", "--name")
    assert not machine.artifacts()
