# SPDX-License-Identifier: Apache-2.0
"""The TPM of a domain: the daemon's process, with libvirt's user, that lives as long as the CVM."""
import pytest

from harness.processes import eventually


def tpm(machine):
    return machine.run("pgrep", "swtpm", check=False).stdout.split()


def wait_gone(machine, cvm):
    def gone():
        there = machine.run("test", "-e", f"/run/cvmd/vms/{cvm['id']}", check=False)
        return there.returncode and not tpm(machine)
    eventually(gone, "TPM and state are gone", 20, 0.1)


@pytest.fixture
def held(machine):
    machine.launch("uefi", "--firmware", "/files/OVMF.fd", "--paused", platform="plain-uefi")
    return machine.status("uefi")


def test_whose_it_is(machine, held):
    ids = machine.run("ps", "-o", "uid=,gid=", "-p", *tpm(machine)).stdout.split()
    assert ids == [machine.run("id", which, "libvirt-qemu").stdout.strip()
                   for which in ("-u", "-g")]
    state = f"/run/cvmd/vms/{held['id']}/swtpm.d"
    assert machine.run("stat", "-c", "%a %U", state).stdout.split() == ["700", "libvirt-qemu"]
    done = machine.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "ls",
                       f"/run/cvmd/vms/{held['id']}", check=False)
    assert "Permission denied" in done.stderr


def test_it_is_killed(machine, held):
    machine.run("kill", "-KILL", *tpm(machine))
    ending = machine.wait_state("uefi", "failed")["ending"]
    assert ending["reason"] == "companion" and "swtpm" in ending["detail"]
    assert not machine.virsh("list", "--all", "--name")
    wait_gone(machine, held)


def test_it_ends_with_its_domain(machine, held):
    """Its end may be seen before that of the domain, and is not what ended it."""
    machine.virsh("destroy", "uefi")
    assert machine.wait_state("uefi", "stopped")["ending"]["reason"] == "stopped"
    wait_gone(machine, held)


def test_cvmd_is_killed_and_comes_back(machine, held):
    before = tpm(machine)
    for _ in range(2):
        machine.systemctl("kill", "--kill-whom=main", "-s", "KILL", "cvmd.service")
        machine.wait("cvmd.service", "activating")
        machine.wait("cvmd.service", "active")
    assert machine.wait_state("uefi", "paused")["id"] == held["id"]
    assert tpm(machine) == before
    machine.systemctl("kill", "--kill-whom=main", "-s", "KILL", "cvmd.service")
    machine.wait("cvmd.service", "activating")
    machine.virsh("destroy", "uefi")
    assert machine.wait_state("uefi", "failed", 40)["ending"]["reason"] == "lost"
    wait_gone(machine, held)
