# SPDX-License-Identifier: Apache-2.0
"""What each libvirt says that it can do, and what is made of it."""
import json

import pytest

PLATFORMS = ["plain", "plain-uefi", "sev", "sev-snp-ovmf", "tdx"]


def checks(machine, platform):
    done = machine.cvmctl("doctor", "--driver", "libvirt", "--platform", platform, "--json",
                          check=False)
    found = json.loads(done.stdout)["platforms"][0]
    return found["ready"], {check["name"]: check for check in found["checks"]}


def version(machine):
    line = machine.virsh("version", "--daemon").splitlines()[-1]
    return tuple(map(int, line.split()[-1].split(".")))


def test_doctor_tells_of_libvirt(machine):
    ready, found = checks(machine, "plain")
    text = ".".join(map(str, version(machine)))
    assert found["libvirt"]["found"] == f"libvirt {text}" and found["libvirt"]["passed"]
    assert found["libvirt-memfd"]["passed"] and found["libvirt-9p"]["passed"]
    assert ("passt" in found["libvirt-ports"]["found"].split()) == (version(machine) >= (10, 0))
    assert ready == all(check["passed"] for name, check in found.items() if name != "kvm")


@pytest.mark.parametrize("platform", PLATFORMS[2:])
def test_doctor_tells_what_is_not_offered(machine, platform):
    """No machine that only emulates offers any launch security, of whatever age its libvirt is."""
    ready, found = checks(machine, platform)
    assert not ready and not found["libvirt-security"]["passed"]
    assert "no launch security" in found["libvirt-security"]["found"]
    if platform != "sev":
        assert "libvirt 1" in found["libvirt-security"]["fix"]


def test_doctor_without_libvirt(machine):
    machine.libvirt_goes()
    ready, found = checks(machine, "plain")
    assert not ready and not found["libvirt"]["passed"]
    assert "libvirt-daemon-system" in found["libvirt"]["fix"]


def render(machine, platform, driver="libvirt", *options):
    firmware = [] if platform == "plain" else ["--firmware", "/files/firmware.fd"]
    return machine.cvmctl("render", "web", "--driver", driver, "--platform", platform, "--kernel",
                          "/files/bzImage", "--initramfs", "/files/initramfs", *firmware, *options)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_domains_are_what_libvirt_knows(machine, platform):
    """Its schema has them, or is older than the launch security: then that alone is refused."""
    machine.write(f"/tmp/{platform}.xml", render(machine, platform, "libvirt").stdout)
    done = machine.run("virt-xml-validate", f"/tmp/{platform}.xml", "domain", check=False)
    since = {"sev-snp-ovmf": (10, 5, 0), "tdx": (11, 6, 0)}.get(platform, (0, 0, 0))
    assert (done.returncode == 0) == (version(machine) >= since), done.stderr
    if version(machine) < since:
        assert "launchSecurity" in done.stderr


def test_a_tpm_that_libvirt_does_not_have(machine):
    """Without a program of swtpm's it says that QEMU had no TPM emulator."""
    ready, found = checks(machine, "plain-uefi")
    assert found["libvirt-tpm"]["passed"] and found["swtpm"]["passed"]
    assert ready == all(check["passed"] for name, check in found.items() if name != "kvm")
    machine.run("mv", "/usr/bin/swtpm_setup", "/tmp")
    try:
        machine.systemctl("restart", "libvirtd.service")
        ready, found = checks(machine, "plain-uefi")
        assert not ready and "swtpm-tools" in found["libvirt-tpm"]["fix"]
        done = machine.launch("never", "--firmware", "/files/OVMF.fd", "--json",
                              platform="plain-uefi", check=False)
        error = json.loads(done.stderr)
        assert error["error"] == "io.cvmd.Manager.HostNotReady"
        assert error["parameters"]["check"] == "libvirt-tpm"
    finally:
        machine.run("mv", "/tmp/swtpm_setup", "/usr/bin")
        machine.systemctl("restart", "libvirtd.service")
    assert not machine.virsh("list", "--all", "--name")


def test_a_launch_that_libvirt_cannot_do_is_refused(machine):
    done = machine.launch("never", "--firmware", "/files/firmware.fd", "--json", platform="tdx",
                          check=False)
    assert json.loads(done.stderr)["error"] == "io.cvmd.Manager.HostNotReady"
    other = "also missing: check 'libvirt-security' failed"
    assert other in machine.journal() or "libvirt-security" in done.stderr
    assert not machine.virsh("list", "--all", "--name")
